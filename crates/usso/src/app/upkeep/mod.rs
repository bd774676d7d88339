//! Work on a whole installation: moving it, keeping a copy, giving it another master key. For a stopped server, but for
//! `backup`.

pub mod backup;
pub mod backup_file;
pub mod checksum;
pub mod copy;
pub mod exclusive;
pub mod key_files;
pub mod reseal;
pub mod restore;
pub mod rotate;
pub mod verify_audit;

//! What a hashing thread does beside hashing: step back, and give memory back.

use argon2::Block;

/// Makes the allocator return what was freed a rest ago. Allocators keep freed memory for a moment (mimalloc
/// for a second) and look whether the moment has passed only when they are called again, which in an idle
/// process may be never. A block of this size gets pages of its own; it isn't touched, so it costs nothing.
pub(super) fn nudge_allocator() {
    const BLOCKS: usize = 1_024;
    drop(std::hint::black_box(Vec::<Block>::with_capacity(BLOCKS)));
}

/// Lowers the priority of the calling thread, so that hashing yields to the threads that serve requests.
#[cfg(target_os = "linux")]
pub(super) fn step_back(niceness: i32) {
    // On Linux, priorities belong to threads, whatever POSIX says.
    if let Err(error) = rustix::process::nice(niceness) {
        tracing::warn!(%error, "hashing threads run at normal priority");
    }
}

/// Elsewhere the priority would be that of the whole process: left alone.
#[cfg(not(target_os = "linux"))]
pub(super) fn step_back(_niceness: i32) {}

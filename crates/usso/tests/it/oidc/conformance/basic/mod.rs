//! The modules of the Basic plan, which the plan for form-post repeats.

mod happy;
mod hints;
mod objects;
mod prompts;
mod redemption;
mod scopes;
mod userinfo;

pub use happy::*;
pub use hints::*;
pub use objects::*;
pub use prompts::*;
pub use redemption::*;
pub use scopes::*;
pub use userinfo::*;

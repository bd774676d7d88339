//! When a captcha is asked for.

/// When a captcha is asked for (ruling D32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptchaMode {
    /// Never.
    Off,
    /// After some failures.
    Risk,
    /// For every sign-in.
    Always,
}

impl CaptchaMode {
    /// Reads the setting; what it can't be is off.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "risk" => Self::Risk,
            "always" => Self::Always,
            _ => Self::Off,
        }
    }
}

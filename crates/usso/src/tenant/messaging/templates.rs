//! The messages there are, and their words in English and Persian.
//!
//! Every template knows the variables `tenant_name`, `name`, `identifier`, `minutes`, and those that it says: `code`, `link`,
//! `what`, `ip`, `user_agent`, `time`.

/// A message there is (contract 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// A code that proves an address or number. `code`
    Verification,
    /// A code to sign in with, by mail. `code`
    EmailOtp,
    /// A code to sign in with, by text. `code`
    SmsOtp,
    /// A link to sign in with. `link`
    MagicLink,
    /// A link to choose a new password. `link`, `code`
    ResetPassword,
    /// Somebody tried to register an address that has an account. `ip`, `user_agent`
    AccountExists,
    /// Something about how to sign in was changed. `what`, `ip`, `user_agent`, `time`
    SecurityNotice,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Verification,
        Self::EmailOtp,
        Self::SmsOtp,
        Self::MagicLink,
        Self::ResetPassword,
        Self::AccountExists,
        Self::SecurityNotice,
    ];

    /// Its name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::EmailOtp => "email_otp",
            Self::SmsOtp => "sms_otp",
            Self::MagicLink => "magic_link",
            Self::ResetPassword => "reset_password",
            Self::AccountExists => "account_exists",
            Self::SecurityNotice => "security_notice",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.as_str() == name)
    }

    /// Its subject and its paragraphs in a language; English for those there are none in.
    pub fn words(self, language: &str) -> (&'static str, &'static str) {
        if language == "fa" { self.in_persian() } else { self.in_english() }
    }

    const fn in_english(self) -> (&'static str, &'static str) {
        match self {
            Self::Verification => (
                "{{ code }} is your {{ tenant_name }} code",
                "Confirm that {{ identifier }} is yours with this code:\n\n{{ code }}\n\n\
                 It is good for {{ minutes }} minutes. If you didn't ask for it, you can ignore this message.",
            ),
            Self::EmailOtp => (
                "{{ code }} is your {{ tenant_name }} sign-in code",
                "Sign in to {{ tenant_name }} with this code:\n\n{{ code }}\n\n\
                 It is good for {{ minutes }} minutes. Tell it to nobody: we never ask for it.",
            ),
            Self::SmsOtp => (
                "{{ tenant_name }}",
                "{{ code }} is your {{ tenant_name }} code. It is good for {{ minutes }} minutes. Tell it to nobody.",
            ),
            Self::MagicLink => (
                "Sign in to {{ tenant_name }}",
                "Sign in to {{ tenant_name }} by following this link:\n\n{{ link }}\n\n\
                 It works once, within {{ minutes }} minutes. If you didn't ask for it, you can ignore this message.",
            ),
            Self::ResetPassword => (
                "Choose a new {{ tenant_name }} password",
                "Choose a new password by following this link:\n\n{{ link }}\n\n\
                 It works once, within {{ minutes }} minutes. If you didn't ask for it, your password stays as it is.",
            ),
            Self::AccountExists => (
                "You have a {{ tenant_name }} account already",
                "Somebody tried to register with {{ identifier }}, which has an account already. If it was you, sign in; \
                 if you don't know your password, ask for a new one.\n\nIf it wasn't you, nothing has happened.",
            ),
            Self::SecurityNotice => (
                "Your {{ tenant_name }} account: {{ what }}",
                "{{ what }}\n\n{{ time }}, from {{ ip }}{% if user_agent %} ({{ user_agent }}){% endif %}.\n\n\
                 If this wasn't you, choose a new password now and sign out everywhere.",
            ),
        }
    }

    const fn in_persian(self) -> (&'static str, &'static str) {
        match self {
            Self::Verification => (
                "کد تأیید {{ tenant_name }}: {{ code }}",
                "برای تأیید {{ identifier }} این کد را وارد کنید:\n\n{{ code }}\n\n\
                 این کد {{ minutes }} دقیقه اعتبار دارد. اگر شما آن را درخواست نکرده‌اید، این پیام را نادیده بگیرید.",
            ),
            Self::EmailOtp => (
                "کد ورود به {{ tenant_name }}: {{ code }}",
                "برای ورود به {{ tenant_name }} این کد را وارد کنید:\n\n{{ code }}\n\n\
                 این کد {{ minutes }} دقیقه اعتبار دارد. آن را به هیچ‌کس نگویید؛ ما هرگز آن را از شما نمی‌پرسیم.",
            ),
            Self::SmsOtp => (
                "{{ tenant_name }}",
                "کد ورود شما به {{ tenant_name }}: {{ code }}\nاعتبار: {{ minutes }} دقیقه. آن را به هیچ‌کس نگویید.",
            ),
            Self::MagicLink => (
                "ورود به {{ tenant_name }}",
                "برای ورود به {{ tenant_name }} روی این پیوند بزنید:\n\n{{ link }}\n\n\
                 این پیوند یک بار و تا {{ minutes }} دقیقه کار می‌کند. اگر شما آن را درخواست نکرده‌اید، این پیام را نادیده بگیرید.",
            ),
            Self::ResetPassword => (
                "گذرواژهٔ تازه برای {{ tenant_name }}",
                "برای انتخاب گذرواژهٔ تازه روی این پیوند بزنید:\n\n{{ link }}\n\n\
                 این پیوند یک بار و تا {{ minutes }} دقیقه کار می‌کند. اگر شما آن را درخواست نکرده‌اید، گذرواژهٔ شما تغییری نمی‌کند.",
            ),
            Self::AccountExists => (
                "شما در {{ tenant_name }} حساب دارید",
                "کسی خواست با {{ identifier }} ثبت‌نام کند، ولی این نشانی از پیش حساب دارد. اگر خودتان بودید، وارد شوید؛ \
                 و اگر گذرواژه را به یاد ندارید، گذرواژهٔ تازه بخواهید.\n\nاگر شما نبودید، هیچ اتفاقی نیفتاده است.",
            ),
            Self::SecurityNotice => (
                "حساب شما در {{ tenant_name }}: {{ what }}",
                "{{ what }}\n\n{{ time }}، از {{ ip }}{% if user_agent %} ({{ user_agent }}){% endif %}.\n\n\
                 اگر شما نبودید، همین حالا گذرواژهٔ تازه‌ای انتخاب کنید و از همه‌جا خارج شوید.",
            ),
        }
    }
}

//! Messages: mail by SMTP, and a directory for development.

use crate::internet::is_public;
use kernel::{BoxFuture, Letter, MailServer, Messenger, SendError};
use lettre::address::AddressError;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

/// How long one message may take in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// The port on which TLS begins with the first byte (RFC 8314 section 3.3).
const SUBMISSIONS: u16 = 465;

/// The post office.
#[derive(Debug, Clone)]
pub struct PostOffice {
    /// Where messages are kept in development.
    pub outbox: PathBuf,
}

impl Messenger for PostOffice {
    fn mail<'a>(
        &'a self,
        server: &'a MailServer,
        letter: &'a Letter,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            match timeout(PATIENCE, mail(server, letter)).await {
                Ok(sent) => sent,
                Err(_) => Err(SendError::Later("the mail server takes too long".to_owned())),
            }
        })
    }

    fn keep<'a>(&'a self, name: &'a str, letter: &'a Letter) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let (directory, path) = (self.outbox.clone(), self.outbox.join(format!("{name}.txt")));
            let channel = letter.channel.as_str();
            let text = format!(
                "Channel: {channel}\nTo: {}\nSubject: {}\n\n{}\n",
                letter.to, letter.subject, letter.text
            );
            let written = tokio::task::spawn_blocking(move || {
                std::fs::create_dir_all(&directory)?;
                std::fs::write(path, text)
            });
            let failed = |e: String| SendError::Later(format!("the outbox can't be written: {e}"));
            written.await.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))
        })
    }
}

async fn mail(server: &MailServer, letter: &Letter) -> Result<(), SendError> {
    let message = message(server, letter)?;
    let address = address(server).await?;
    let transport = transport(server, address)?;
    let sent = transport.send(message).await.map(drop).map_err(|error| {
        // What the server said may repeat the message: only what kind of error it is.
        let what = match error.status() {
            Some(status) => format!("the mail server answered {status}"),
            None if error.is_timeout() => "the mail server takes too long".to_owned(),
            None if error.is_tls() => "no TLS with the mail server".to_owned(),
            None => "no conversation with the mail server".to_owned(),
        };
        if error.is_permanent() { SendError::Refused(what) } else { SendError::Later(what) }
    });
    transport.shutdown().await;
    sent
}

/// Where the server is; a tenant's at nothing but a public address, connected to as checked.
async fn address(server: &MailServer) -> Result<SocketAddr, SendError> {
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
    let mut found = found.map_err(|_| SendError::Later("the mail server's name isn't known".to_owned()))?;
    found
        .find(|address| server.may_be_private || is_public(address.ip()))
        .ok_or_else(|| SendError::Refused("the mail server is at a private address".to_owned()))
}

fn transport(
    server: &MailServer,
    address: SocketAddr,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
    let no_tls = |_| SendError::Refused("no TLS with this host name".to_owned());
    let tls = match server.use_tls {
        false => Tls::None,
        true => {
            let parameters = TlsParameters::new(server.host.clone()).map_err(no_tls)?;
            if server.port == SUBMISSIONS { Tls::Wrapper(parameters) } else { Tls::Required(parameters) }
        }
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
        .port(address.port())
        .tls(tls)
        .timeout(Some(PATIENCE));
    if let Some((username, password)) = &server.account {
        builder = builder.credentials(Credentials::new(username.clone(), password.clone()));
    }
    Ok(builder.build())
}

fn message(server: &MailServer, letter: &Letter) -> Result<Message, SendError> {
    let wrong =
        |what: &'static str| move |_: AddressError| SendError::Refused(format!("{what} is no address"));
    let from: Mailbox = server.sender.parse().map_err(wrong("the sender"))?;
    let to: Mailbox = letter.to.parse().map_err(wrong("the recipient"))?;
    let builder = Message::builder().from(from).to(to).subject(letter.subject.clone());
    let built = match &letter.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(letter.text.clone(), html.clone())),
        None => builder.singlepart(SinglePart::plain(letter.text.clone())),
    };
    built.map_err(|e| SendError::Refused(format!("the mail can't be written: {e}")))
}

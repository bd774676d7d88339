//! A web server of somebody else's, on the loopback: it writes down what it is sent, and answers what it was told to.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use protocol::b64url;
use protocol::seal::MacKey;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// A field of the body as a form.
    pub fn field(&self, name: &str) -> String {
        let fields: HashMap<String, String> =
            form_urlencoded::parse(self.body.as_bytes()).into_owned().collect();
        fields.get(name).cloned().unwrap_or_else(|| panic!("no field {name} in {}", self.body))
    }

    /// A header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it is signed with a secret, as the guide says.
    pub fn is_signed(&self, secret: &str) -> bool {
        let message = format!("{}.{}", self.header("x-usso-timestamp"), self.body);
        let tag = b64url::encode(MacKey::from_secret(secret.as_bytes()).tag(message.as_bytes()));
        self.header("x-usso-signature") == format!("sha256={tag}")
    }
}

struct Book {
    received: Vec<Received>,
    answers: HashMap<String, (u16, String)>,
    hangs: bool,
}

/// The server.
#[derive(Clone)]
pub struct Gateway {
    /// Its address.
    pub url: String,
    book: Arc<Mutex<Book>>,
}

impl Gateway {
    /// Starts one that answers 204 to everything.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("a port"));
        let book = Book { received: Vec::new(), answers: HashMap::new(), hangs: false };
        let gateway = Self { url, book: Arc::new(Mutex::new(book)) };
        let routes = Router::new().fallback(answer).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        gateway
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("the book")
    }

    /// From now on a path answers this.
    pub fn answer(&self, path: &str, status: u16, body: impl ToString) {
        self.book().answers.insert(path.to_owned(), (status, body.to_string()));
    }

    /// From now on it takes connections and answers nothing, or answers again.
    pub fn hang(&self, hangs: bool) {
        self.book().hangs = hangs;
    }

    /// What came in so far.
    pub fn received(&self) -> Vec<Received> {
        self.book().received.clone()
    }

    /// What came in last.
    pub fn last(&self) -> Received {
        self.received().pop().expect("a request")
    }
}

async fn answer(State(gateway): State<Gateway>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let (found, hangs) = {
        let mut book = gateway.book();
        let body = String::from_utf8_lossy(&body).into_owned();
        book.received.push(Received { path: uri.to_string(), headers, body });
        (book.answers.get(uri.path()).cloned(), book.hangs)
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    match found {
        Some((status, body)) => {
            let location = [("location", "/elsewhere")];
            (StatusCode::from_u16(status).expect("a status"), location, body).into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

//! A page as a browser without JavaScript reads it: its text, its links, its forms.

use super::Answer;

/// A page, and how it was come to.
pub struct Page {
    /// What it was answered with.
    pub answer: Answer,
    /// The addresses of the redirections on the way.
    pub way: Vec<String>,
}

/// An element's attributes.
type Attributes = Vec<(String, String)>;

fn attribute<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

impl Page {
    /// A page that was come to this way.
    pub fn new(answer: Answer, way: Vec<String>) -> Self {
        Self { answer, way }
    }

    /// Its source.
    pub fn html(&self) -> String {
        self.answer.text()
    }

    /// The address it stands at, or that another host was to show.
    pub fn address(&self) -> &str {
        let asked = self.answer.asked.split_once(' ').expect("a method and a target").1;
        self.way.last().map_or(asked, String::as_str)
    }

    /// Its path.
    pub fn path(&self) -> &str {
        self.address().split(['?', '#']).next().unwrap_or_default()
    }

    /// Insists on a status and a text.
    #[track_caller]
    pub fn expect(self, status: u16, text: &str) -> Self {
        let html = self.html();
        assert_eq!(self.answer.status, status, "{} {:?}: {html}", self.answer.asked, self.way);
        assert!(html.contains(text), "{} has no {text}: {html}", self.answer.asked);
        self
    }

    /// Whether it has a text.
    pub fn has(&self, text: &str) -> bool {
        self.html().contains(text)
    }

    /// The elements of a name, with their attributes, and what follows each.
    pub fn elements(&self, name: &str) -> Vec<(Attributes, String)> {
        let html = self.html();
        let begin = format!("<{name}");
        let found = html.match_indices(&begin).filter_map(|(at, _)| {
            let rest = &html[at + begin.len()..];
            let (own, after) = read(rest)?;
            rest.starts_with([' ', '>', '\n']).then(|| (own, after.to_owned()))
        });
        found.collect()
    }

    /// The targets of its links.
    pub fn links(&self) -> Vec<String> {
        let links = self.elements("a").into_iter();
        links.filter_map(|(own, _)| attribute(&own, "href").map(str::to_owned)).collect()
    }

    /// A form's action and fields, with what is typed in the places of what was there.
    #[track_caller]
    pub fn filled(&self, form: &str, typed: &[(&str, &str)]) -> (String, Vec<(String, String)>) {
        let is_it = |own: &Attributes| {
            attribute(own, "id") == Some(form)
                || attribute(own, "action").is_some_and(|action| action.ends_with(form))
        };
        let found = self.elements("form").into_iter().find(|(own, _)| is_it(own));
        let (own, after) =
            found.unwrap_or_else(|| panic!("{} has no form {form}: {}", self.answer.asked, self.html()));
        assert_eq!(attribute(&own, "method"), Some("post"), "{form}");
        let inside = after.split("</form>").next().unwrap_or_default();
        let mut fields = Vec::new();
        for (at, _) in inside.match_indices("<input") {
            let (input, _) = read(&inside[at + "<input".len()..]).expect("an element");
            let name = attribute(&input, "name").expect("a named field").to_owned();
            let value = attribute(&input, "value").unwrap_or_default().to_owned();
            fields.push((name, value));
        }
        for (name, value) in typed {
            fields.retain(|(own, _)| own != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        (attribute(&own, "action").expect("an action").to_owned(), fields)
    }

    /// The value of a field.
    #[track_caller]
    pub fn value(&self, form: &str, name: &str) -> String {
        let (_, fields) = self.filled(form, &[]);
        fields.into_iter().find(|(own, _)| own == name).expect("a field").1
    }

    /// The value of the first button of a name.
    #[track_caller]
    pub fn button_value(&self, name: &str) -> String {
        let buttons = self.elements("button").into_iter().map(|(own, _)| own);
        let found = buttons.into_iter().find(|own| attribute(own, "name") == Some(name)).expect("a button");
        attribute(&found, "value").expect("a value").to_owned()
    }

    /// An attribute of the element with an id.
    #[track_caller]
    pub fn data(&self, id: &str, name: &str) -> String {
        let html = self.html();
        let at = html.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {html}"));
        let begin = html[..at].rfind('<').expect("an element");
        let rest = &html[begin..];
        let (own, _) = read(&rest[rest.find(' ').expect("attributes")..]).expect("attributes");
        attribute(&own, name).unwrap_or_else(|| panic!("{id} has no {name}")).to_owned()
    }
}

/// Reads attributes up to the end of the tag.
fn read(mut rest: &str) -> Option<(Attributes, &str)> {
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return Some((attributes, after));
        }
        let end = rest.find(['=', '>', ' ', '\n'])?;
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        match rest.strip_prefix("=\"") {
            Some(after) => {
                let (value, after) = after.split_once('"')?;
                attributes.push((name, unescaped(value)));
                rest = after;
            }
            None => attributes.push((name, String::new())),
        }
    }
}

/// A text without the references of HTML that pages write.
fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}

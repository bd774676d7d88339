//! QR codes (ISO/IEC 18004) as pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::{ECL, QRBuilder};

/// A QR code of a text, as an SVG in a `data:` URL (RFC 2397). None for a text too long for one.
pub fn qr(text: &str) -> Option<String> {
    // Shown on a screen, where nothing is smudged: the least redundancy, so that the squares are large.
    let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    let svg = SvgBuilder::default().to_str(&code);
    Some(format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg)))
}

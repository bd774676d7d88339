//! Colours: a tenant's, made readable wherever they are used (WCAG 2.2, success criteria 1.4.3 and 1.4.11).

use std::fmt;

/// An opaque colour of sRGB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour([f64; 3]);

impl Colour {
    /// Black.
    pub const BLACK: Self = Self([0.0; 3]);
    /// White.
    pub const WHITE: Self = Self([1.0; 3]);

    /// Reads `#rgb` or `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix('#')?;
        let wide: String = match digits.len() {
            3 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
            6 => digits.to_owned(),
            _ => return None,
        };
        let number = u32::from_str_radix(&wide, 16).ok()?;
        let [_, red, green, blue] = number.to_be_bytes();
        Some(Self([red, green, blue].map(|part| f64::from(part) / 255.0)))
    }

    fn luminance(self) -> f64 {
        let linear = |c: f64| if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The contrast with another, from 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Some of this and the rest of another.
    pub fn mixed(self, other: Self, share: f64) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        let mix = |own: f64, its: f64| own * share + its * (1.0 - share);
        Self([mix(a, x), mix(b, y), mix(c, z)])
    }

    /// Black or white, whichever is read better on it.
    pub fn on_it(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) { Self::WHITE } else { Self::BLACK }
    }

    /// This colour, or as near to it as gives a contrast with a background.
    pub fn readable(self, background: Self, contrast: f64) -> Self {
        let away = background.on_it();
        let steps = (0..=20).map(|step| away.mixed(self, f64::from(step) / 20.0));
        steps.into_iter().find(|colour| colour.contrast(background) >= contrast).unwrap_or(away)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0.map(|part| (part * 255.0).round());
        write!(f, "#{red:02x}{green:02x}{blue:02x}", red = byte(red), green = byte(green), blue = byte(blue))
    }
}

/// A whole number from 0 to 255 as a byte.
fn byte(part: f64) -> u8 {
    (0..=u8::MAX).find(|byte| f64::from(*byte) >= part).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_and_written() {
        assert_eq!(Colour::parse("#1f4fd8").unwrap().to_string(), "#1f4fd8");
        assert_eq!(Colour::parse("#fff").unwrap(), Colour::WHITE);
        for bad in ["", "red", "#12", "#12345", "url(x)", "#gggggg", "#é12345"] {
            assert!(Colour::parse(bad).is_none(), "{bad}");
        }
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 0.001);
    }

    #[test]
    fn whatever_the_colour_it_can_be_read() {
        let (light, dark) = (Colour::WHITE, Colour::parse("#17191e").unwrap());
        for text in ["#000000", "#ffffff", "#ffe600", "#808080", "#e4572e", "#1f4fd8", "#00ff00", "#0000ff"] {
            let colour = Colour::parse(text).unwrap();
            assert!(colour.contrast(colour.on_it()) >= 4.5, "{text}");
            for background in [light, dark] {
                assert!(colour.readable(background, 4.5).contrast(background) >= 4.5, "{text}");
            }
        }
        let fine = Colour::parse("#1f4fd8").unwrap();
        assert_eq!(fine.readable(light, 4.5), fine, "what can be read is left alone");
    }
}

//! Where an address is, as a GeoIP file of the operator's says (MaxMind DB format 2.0, "City" or "Country"). Nothing of it
//! is stored: sessions keep the address, and whoever looks at one sees what the file of today says.

use maxminddb::{MaxMindDbError, Reader, geoip2};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// What is known of places; at first nothing.
#[derive(Default)]
pub struct Places(RwLock<Option<Arc<Reader<Vec<u8>>>>>);

impl Places {
    /// Knows from now on what a file's bytes say.
    ///
    /// # Errors
    /// [`MaxMindDbError`] when they are no such file; what was known stays.
    pub fn learn(&self, file: Vec<u8>) -> Result<(), MaxMindDbError> {
        let reader = Arc::new(Reader::from_source(file)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(reader);
        Ok(())
    }

    /// Where an address is: town and country, or the country alone.
    pub fn of(&self, ip: &str) -> Option<String> {
        let reader = self.0.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let address: IpAddr = ip.parse().ok()?;
        // What can't be read says as little as what isn't there.
        let found: geoip2::City<'_> = reader.lookup(address.to_canonical()).ok()?.decode().ok()??;
        let country = found.country.names.english.or(found.country.iso_code);
        let parts: Vec<&str> = found.city.names.english.into_iter().chain(country).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_without_a_file() {
        assert_eq!(Places::default().of("203.0.113.7"), None);
    }

    #[test]
    fn a_file_is_rejected_when_it_is_another_thing() {
        let places = Places::default();
        assert!(places.learn(Vec::new()).is_err() && places.learn(vec![0xab; 4096]).is_err());
        assert_eq!(places.of("203.0.113.7"), None);
    }
}

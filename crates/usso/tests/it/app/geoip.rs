//! A GeoIP file made here: the MaxMind DB format, version 2.0, with as little as a reader needs.

use std::net::Ipv6Addr;

/// Part of the data section.
#[derive(Clone)]
enum Data {
    Text(&'static str),
    Number(u8, u64),
    List(Vec<Data>),
    Map(Vec<(&'static str, Data)>),
}

fn head(out: &mut Vec<u8>, kind: u8, size: usize) {
    let small = u8::try_from(size.min(29)).expect("small");
    if kind > 7 {
        out.extend([small, kind - 7]);
    } else {
        out.push(kind << 5 | small);
    }
    if size >= 29 {
        out.push(u8::try_from(size - 29).expect("under 285"));
    }
}

fn put(out: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Text(text) => {
            head(out, 2, text.len());
            out.extend(text.as_bytes());
        }
        Data::Number(kind, value) => {
            let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
            head(out, *kind, bytes.len());
            out.extend(bytes);
        }
        Data::List(items) => {
            head(out, 11, items.len());
            items.iter().for_each(|item| put(out, item));
        }
        Data::Map(members) => {
            head(out, 7, members.len());
            for (name, value) in members {
                put(out, &Data::Text(name));
                put(out, value);
            }
        }
    }
}

/// A network, and the names of its town and country.
pub type Place = (&'static str, u8, Option<&'static str>, &'static str);

fn place(town: Option<&'static str>, country: &'static str) -> Data {
    let named = |name| Data::Map(vec![("names", Data::Map(vec![("en", Data::Text(name))]))]);
    let mut members = vec![("country", named(country))];
    members.extend(town.map(|town| ("city", named(town))));
    Data::Map(members)
}

/// A file that knows these places.
pub fn file(places: &[Place]) -> Vec<u8> {
    const EMPTY: [Option<usize>; 2] = [None, None];
    let (mut nodes, mut leaves, mut data) = (vec![EMPTY], vec![], Vec::new());
    for (network, length, town, country) in places {
        let (bits, length) = match network.parse::<Ipv6Addr>() {
            Ok(address) => (address.to_bits(), *length),
            Err(_) => (
                u128::from(network.parse::<std::net::Ipv4Addr>().expect("an address").to_bits()),
                length + 96,
            ),
        };
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                leaves.push((node, side, data.len()));
            } else {
                let next = nodes.len();
                node = *nodes[node][side].get_or_insert(next);
                if node == next {
                    nodes.push(EMPTY);
                }
            }
        }
        put(&mut data, &place(*town, country));
    }
    let count = nodes.len();
    let mut out = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        for (side, child) in node.iter().enumerate() {
            let leaf = leaves.iter().find(|(at, on, _)| (*at, *on) == (n, side));
            let value = leaf.map_or(child.unwrap_or(count), |(.., offset)| count + 16 + offset);
            out.extend(&u32::try_from(value).expect("small").to_be_bytes()[1..]);
        }
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let number = |kind, value: usize| Data::Number(kind, value as u64);
    let metadata = vec![
        ("node_count", number(6, count)),
        ("record_size", number(5, 24)),
        ("ip_version", number(5, 6)),
        ("database_type", Data::Text("Test-City")),
        ("languages", Data::List(vec![Data::Text("en")])),
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", number(9, 1_700_000_000)),
        ("description", Data::Map(vec![("en", Data::Text("made by a test"))])),
    ];
    put(&mut out, &Data::Map(metadata));
    out
}

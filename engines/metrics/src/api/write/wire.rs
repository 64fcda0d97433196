//! The protobuf of remote write 1.0.

use super::{Exemplar, Labels, Metadata, Timestamp};
use crate::ingest::MetricType;

/// What a sender sends.
#[derive(Debug, Default, PartialEq)]
pub(in crate::api) struct WriteRequest {
    pub(in crate::api) series: Vec<TimeSeries>,
    pub(super) metadata: Vec<(String, Metadata)>,
}

/// A series with its samples.
#[derive(Debug, Default, PartialEq)]
pub(in crate::api) struct TimeSeries {
    pub(super) labels: Labels,
    pub(in crate::api) samples: Vec<(Timestamp, f64)>,
    pub(super) exemplars: Vec<Exemplar>,
    pub(super) has_histograms: bool,
}

/// The value of a field.
enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// Fields one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for i in 0..10 {
            let (byte, rest) = self.0.split_first().ok_or("protobuf: it ends within a number")?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(7 * i).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("protobuf: a number has more than ten bytes".to_owned())
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let split = usize::try_from(len).ok().and_then(|len| self.0.split_at_checked(len));
        let (taken, rest) = split.ok_or_else(|| format!("protobuf: a field of {len} bytes is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.take(8)?.try_into().map_or(0, u64::from_le_bytes)),
            2 => {
                let len = self.varint()?;
                Field::Bytes(self.take(len)?)
            }
            5 => {
                self.take(4)?;
                Field::Fixed32
            }
            other => return Err(format!("protobuf: wire type {other} is not known")),
        };
        Ok(Some((key >> 3, field)))
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "protobuf: a text is not UTF-8".to_owned())
}

impl WriteRequest {
    pub(in crate::api) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut request = Self::default();
        let mut fields = Fields(bytes);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(bytes)) => request.series.push(time_series(bytes)?),
                (3, Field::Bytes(bytes)) => request.metadata.push(metadata(bytes)?),
                _ => {}
            }
        }
        Ok(request)
    }
}

fn time_series(bytes: &[u8]) -> Result<TimeSeries, String> {
    let mut series = TimeSeries::default();
    let mut pairs = Vec::with_capacity(8);
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => pairs.push(label(bytes)?),
            (2, Field::Bytes(bytes)) => series.samples.push(sample(bytes)?),
            (3, Field::Bytes(bytes)) => series.exemplars.push(exemplar(bytes)?),
            (4, Field::Bytes(_)) => series.has_histograms = true,
            _ => {}
        }
    }
    let count = pairs.len();
    series.labels = Labels::from_pairs(pairs);
    if series.labels.len() < count {
        // Labels with empty values are absent; what else is missing stood twice.
        return check_doubles(bytes, &series.labels).map(|()| series);
    }
    Ok(series)
}

fn check_doubles(bytes: &[u8], labels: &Labels) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            let (name, _) = label(bytes)?;
            if !seen.insert(name) {
                return Err(format!("label {name:?} stands twice in {labels}"));
            }
        }
    }
    Ok(())
}

fn label(bytes: &[u8]) -> Result<(&str, &str), String> {
    let (mut name, mut value) = ("", "");
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => name = text(bytes)?,
            (2, Field::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn sample(bytes: &[u8]) -> Result<(Timestamp, f64), String> {
    let (mut v, mut t) = (0.0, 0);
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Fixed64(bits)) => v = f64::from_bits(bits),
            (2, Field::Varint(millis)) => t = millis as i64,
            _ => {}
        }
    }
    Ok((Timestamp::from_millis(t), v))
}

fn exemplar(bytes: &[u8]) -> Result<Exemplar, String> {
    let mut pairs = Vec::new();
    let (mut v, mut t) = (0.0, 0);
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => pairs.push(label(bytes)?),
            (2, Field::Fixed64(bits)) => v = f64::from_bits(bits),
            (3, Field::Varint(millis)) => t = millis as i64,
            _ => {}
        }
    }
    Ok(Exemplar { labels: Labels::from_pairs(pairs), v, t: Timestamp::from_millis(t) })
}

fn metadata(bytes: &[u8]) -> Result<(String, Metadata), String> {
    let mut about = Metadata::default();
    let mut metric = String::new();
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Varint(kind)) => {
                about.kind = match kind {
                    1 => MetricType::Counter,
                    2 => MetricType::Gauge,
                    3 => MetricType::Histogram,
                    4 => MetricType::GaugeHistogram,
                    5 => MetricType::Summary,
                    6 => MetricType::Info,
                    7 => MetricType::StateSet,
                    _ => MetricType::Unknown,
                }
            }
            (2, Field::Bytes(bytes)) => metric = text(bytes)?.to_owned(),
            (4, Field::Bytes(bytes)) => about.help = text(bytes)?.to_owned(),
            (5, Field::Bytes(bytes)) => about.unit = text(bytes)?.to_owned(),
            _ => {}
        }
    }
    Ok((metric, about))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _verdict = WriteRequest::decode(&bytes);
        }
    }

    #[test]
    fn a_label_that_stands_twice_is_refused() {
        let label = |name: &str, value: &str| {
            let mut out = vec![0x0a, name.len() as u8];
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&[0x12, value.len() as u8]);
            out.extend_from_slice(value.as_bytes());
            [vec![0x0a, out.len() as u8], out].concat()
        };
        let series = |labels: &[Vec<u8>]| {
            let body = labels.concat();
            [vec![0x0a, body.len() as u8], body].concat()
        };
        let twice = WriteRequest::decode(&series(&[label("a", "1"), label("a", "2")]));
        assert_eq!(twice.unwrap_err(), "label \"a\" stands twice in {a=\"2\"}");
        let empty = WriteRequest::decode(&series(&[label("a", "1"), label("b", "")])).unwrap();
        assert_eq!(empty.series[0].labels.to_string(), "{a=\"1\"}");
    }
}

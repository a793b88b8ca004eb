//! Values of OTLP that are no messages: how they stand in JSON, and how they are written.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::wire::{put_fixed32, put_fixed64, put_message, put_nested, put_number};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    /// Bytes in hexadecimal.
    Hex,
    /// Bytes in either alphabet, with or without the padding.
    Base64,
    Bool,
    Uint32,
    /// None of OTLP's is negative.
    Enum,
    Int64,
    Fixed32,
    Fixed64,
    /// A number, or text for what JSON cannot write.
    Double,
}

const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, INDIFFERENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, INDIFFERENT);

/// So much of a bad value is shown.
const SHOWN: usize = 64;

fn bad(what: &str, text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    format!("{shown:?} is not {what}")
}

impl Scalar {
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Hex => "an id in hexadecimal",
            Self::Base64 => "base64",
            Self::Bool => "true or false",
            Self::Double => "a number",
            Self::Uint32 | Self::Enum | Self::Int64 | Self::Fixed32 | Self::Fixed64 => {
                "an integer, as a number or as text"
            }
        }
    }

    pub(super) const fn is_number(self) -> bool {
        !matches!(self, Self::Text | Self::Hex | Self::Base64 | Self::Bool)
    }

    /// Whether it is one.
    pub(super) fn put_flag(self, out: &mut Vec<u8>, number: u32, flag: bool) -> bool {
        let is_flag = self == Self::Bool;
        if is_flag {
            put_number(out, number, flag.into());
        }
        is_flag
    }

    /// Whether it is one.
    pub(super) fn put_float(self, out: &mut Vec<u8>, number: u32, float: f64) -> bool {
        let is_float = self == Self::Double;
        if is_float {
            put_fixed64(out, number, float.to_bits());
        }
        is_float
    }

    #[expect(clippy::cast_precision_loss, reason = "the sender chose a double")]
    pub(super) fn put_integer(self, out: &mut Vec<u8>, number: u32, integer: i128) -> Result<(), String> {
        let out_of_range = |_| bad("in range", &integer.to_string());
        match self {
            Self::Int64 => {
                let signed = i64::try_from(integer).map_err(out_of_range)?;
                put_number(out, number, signed.cast_unsigned());
            }
            Self::Enum => {
                let known = u32::try_from(integer).map_err(out_of_range)?;
                let known = i32::try_from(known).map_err(out_of_range)?;
                put_number(out, number, known.cast_unsigned().into());
            }
            Self::Uint32 => put_number(out, number, u32::try_from(integer).map_err(out_of_range)?.into()),
            Self::Fixed32 => put_fixed32(out, number, u32::try_from(integer).map_err(out_of_range)?),
            Self::Fixed64 => put_fixed64(out, number, u64::try_from(integer).map_err(out_of_range)?),
            _ => put_fixed64(out, number, (integer as f64).to_bits()),
        }
        Ok(())
    }

    pub(super) fn put_text(self, out: &mut Vec<u8>, number: u32, text: &str) -> Result<(), String> {
        match self {
            Self::Text => {
                put_message(out, number, text.as_bytes());
                Ok(())
            }
            Self::Hex => put_hex(out, number, text),
            Self::Base64 => put_base64(out, number, text),
            Self::Bool => Err(bad("true or false", text)),
            Self::Double => {
                put_fixed64(out, number, double(text)?.to_bits());
                Ok(())
            }
            _ => {
                let integer = text.parse().map_err(|_| bad("an integer", text))?;
                self.put_integer(out, number, integer)
            }
        }
    }
}

fn double(text: &str) -> Result<f64, String> {
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        number => number.parse().map_err(|_| bad("a number", text)),
    }
}

fn put_hex(out: &mut Vec<u8>, number: u32, text: &str) -> Result<(), String> {
    put_nested(out, number, |out| {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(bad("an id in hexadecimal", text));
        }
        for [high, low] in pairs {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                return Err(bad("an id in hexadecimal", text));
            };
            out.push(high << 4 | low);
        }
        Ok(())
    })
}

fn put_base64(out: &mut Vec<u8>, number: u32, text: &str) -> Result<(), String> {
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    put_nested(out, number, |out| engine.decode_vec(text, out).map_err(|_| bad("base64", text)))
}

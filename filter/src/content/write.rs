//! Messages as the JSON of the conventions.

use super::encode::Writer;
use super::message::{Item, Kind, MAX_REASON_BYTES, Message, modality};

pub(super) fn write_message(
    writer: &mut Writer<'_>,
    message: &Message,
    finish_reason: Option<&str>,
    broke_off: bool,
) {
    writer.item("{\"role\":");
    writer.word(&message.role);
    writer.raw(",\"parts\":[");
    write_items(writer, &message.items, broke_off);
    writer.raw("]");
    if let Some(reason) = finish_reason {
        writer.raw(",\"finish_reason\":");
        writer.head(reason, MAX_REASON_BYTES);
    }
    writer.raw("}");
}

/// Where they `broke_off`, the last of them did, and every call that is no whole JSON.
pub(super) fn write_items(writer: &mut Writer<'_>, items: &[Item], broke_off: bool) {
    for (at, item) in items.iter().enumerate() {
        let is_last = at.saturating_add(1) == items.len();
        writer.is_open = broke_off && (is_last || item.is_json);
        write_item(writer, item);
        writer.is_open = false;
    }
}

fn write_item(writer: &mut Writer<'_>, item: &Item) {
    let text = &item.text;
    let was_cut = std::mem::take(&mut writer.cut);
    let mut content_key = ",\"content\":";
    match item.kind {
        Kind::Text | Kind::Delta | Kind::Unknown => writer.item("{\"type\":\"text\""),
        Kind::Reasoning => writer.item("{\"type\":\"reasoning\""),
        Kind::Refusal => writer.item("{\"type\":\"refusal\""),
        Kind::Call => {
            writer.item("{\"type\":\"tool_call\"");
            write_word(writer, "id", &item.id);
            writer.raw(",\"name\":");
            writer.word(if item.name.is_empty() { &item.word } else { &item.name });
            content_key = ",\"arguments\":";
        }
        Kind::ServerCall => {
            writer.item("{\"type\":\"server_tool_call\"");
            write_word(writer, "id", &item.id);
            let name = if item.name.is_empty() { &item.word } else { &item.name };
            writer.raw(",\"name\":");
            writer.word(name);
            writer.raw(",\"server_tool_call\":{\"type\":");
            writer.word(name);
            content_key = ",\"arguments\":";
        }
        Kind::Result => {
            writer.item("{\"type\":\"tool_call_response\"");
            write_word(writer, "id", &item.id);
            write_word(writer, "name", &item.name);
            content_key = ",\"response\":";
        }
        Kind::Media => {
            write_media(writer, item);
            content_key = ",\"uri\":";
        }
        Kind::Other => {
            writer.item("{\"type\":");
            writer.word(&item.word);
        }
    }
    let is_optional = matches!(item.kind, Kind::Call | Kind::ServerCall | Kind::Media | Kind::Other);
    if !text.text.is_empty() || !is_optional {
        writer.raw(content_key);
        if item.is_json {
            writer.json(&text.text, text.is_cut);
        } else {
            writer.counted_text(&text.text, text.json_bytes, text.is_cut);
        }
    }
    if item.kind == Kind::ServerCall {
        writer.raw("}");
    }
    writer.raw(if text.is_cut || writer.cut { ",\"truncated\":true}" } else { "}" });
    writer.cut |= was_cut;
}

fn write_media(writer: &mut Writer<'_>, item: &Item) {
    let modality = modality(&item.word).or_else(|| modality(&item.name)).unwrap_or("document");
    writer.item(match (item.text.text.is_empty(), item.id.is_empty()) {
        (false, _) => "{\"type\":\"uri\"",
        (true, false) => "{\"type\":\"file\"",
        (true, true) => "{\"type\":\"blob\"",
    });
    write_word(writer, "modality", modality);
    if item.name.contains('/') {
        write_word(writer, "mime_type", &item.name);
    } else if !item.name.is_empty() {
        // Only the format is said.
        write_word(writer, "format", &item.name);
    }
    write_word(writer, "file_id", &item.id);
}

fn write_word(writer: &mut Writer<'_>, key: &str, word: &str) {
    if !word.is_empty() {
        writer.raw(",\"");
        writer.raw(key);
        writer.raw("\":");
        writer.word(word);
    }
}

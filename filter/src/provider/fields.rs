//! Short names for the leaves of the adapters' trees.

use super::Field;
use crate::config::{MAX_ATTRIBUTE_BYTES, MAX_RAW_USAGE_BYTES};
use crate::wire::json::Node;

pub(super) type Fields = &'static [(&'static str, Node<Field>)];

pub(super) static NOTHING: Node<Field> = Node::object(&[]);

/// A string that is kept.
pub(super) const fn text(field: Field) -> Node<Field> {
    Node::scalar(field, MAX_ATTRIBUTE_BYTES)
}

/// A number or a boolean.
pub(super) const fn number(field: Field) -> Node<Field> {
    Node::scalar(field, 0)
}

/// Output whose text is not kept: one byte tells whether there is any.
pub(super) const fn output() -> Node<Field> {
    Node::scalar(Field::OutputText, 1)
}

/// An object of which only its being there matters.
pub(super) const fn marker(field: Field) -> Node<Field> {
    Node::object(&[]).reported(field)
}

/// A usage object: its counts, and itself.
pub(super) const fn usage(fields: Fields) -> Node<Field> {
    Node::object(fields).reported(Field::Usage).verbatim(Field::Usage, MAX_RAW_USAGE_BYTES)
}

/// An error, in the shape that most APIs share.
pub(super) const ERROR: Node<Field> = Node::object(&[
    ("type", text(Field::ErrorType)),
    ("status", text(Field::ErrorStatus)),
    ("code", text(Field::ErrorCode)),
    ("message", Node::scalar(Field::Error, 1)),
    ("detail", Node::scalar(Field::Error, 1)),
])
.reported(Field::Error)
.or_scalar(Field::Error, 1);

/// One error of a list.
pub(super) static FAILURE: Node<Field> = ERROR;

/// What FastAPI finds wrong with a request, one by one, or what a server puts in its place.
pub(super) const DETAIL: Node<Field> = ERROR.or_array(&FAILURE);

/// Google puts the errors of any API into an array.
pub(super) static ERRORS: Node<Field> = Node::object(&[("error", ERROR)]);

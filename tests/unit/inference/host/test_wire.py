"""What tasks and the host say to each other arrives as it was sent, and a side that is gone is noticed."""

import io

import pytest

from udfs.inference.host.wire import Answer, Request
from udfs.models import ModelReference

REFERENCE = ModelReference("a model/ü", "0" * 40, "cuda:1", "bfloat16", scaled_decoding=False, compiled=True)


@pytest.mark.parametrize(
    "message",
    [
        Request(REFERENCE, "key", "embed_photos", None),
        Request(REFERENCE, "key", "embed_texts", 256),
        Answer(window=48),
        Answer("ModelError", "model x: its weights are missing,\nsuch as y"),
    ],
)
def test_a_message_arrives_as_it_was_sent_and_takes_no_more_than_its_line(message):
    stream = io.BytesIO()
    message.send(stream)
    stream.write(b"ARROW")
    stream.seek(0)
    assert type(message).receive(stream) == message
    assert stream.read() == b"ARROW"


@pytest.mark.parametrize("cut", [0, 1, -1])
def test_a_message_that_breaks_off_says_that_the_other_side_is_gone(cut):
    stream = io.BytesIO()
    Answer(window=48).send(stream)
    with pytest.raises(ConnectionError, match="gone"):
        Answer.receive(io.BytesIO(stream.getvalue()[:cut]))

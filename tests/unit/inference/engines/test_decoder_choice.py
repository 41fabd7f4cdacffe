"""Who decodes: the cores, until they are the limit and the GPU's decoder has shown that it is faster."""

from udfs.inference.engines.decoder_choice import PROBE_BATCHES, DecoderChoice


def watched(choice: DecoderChoice, batches: int, *, rates: dict[str, float], waiting: float) -> list[str]:
    """Who decoded each of some batches of 256, at `rates` photos/s, where the device waits for a share of the time."""
    asked = []
    for _ in range(batches):
        decoder = choice.decoder
        seconds = 256 / rates[decoder]
        choice.record(decoder, 256, seconds, seconds * waiting)
        asked.append(decoder)
    return asked


def test_the_cores_decode_where_there_is_no_other_decoder():
    choice = DecoderChoice(device_can_decode=False)
    assert set(watched(choice, 20, rates={"cores": 10}, waiting=0.9)) == {"cores"}


def test_the_cores_go_on_where_the_device_does_not_wait_for_them():
    choice = DecoderChoice(device_can_decode=True)
    assert set(watched(choice, 20, rates={"cores": 1000, "device": 9999}, waiting=0.01)) == {"cores"}


def test_the_device_decodes_where_the_cores_are_the_limit_and_it_is_faster():
    choice = DecoderChoice(device_can_decode=True)
    asked = watched(choice, 20, rates={"cores": 1000, "device": 1500}, waiting=0.5)
    assert asked == ["cores"] * PROBE_BATCHES + ["device"] * (20 - PROBE_BATCHES)


def test_the_cores_take_over_again_where_the_device_is_slower():
    choice = DecoderChoice(device_can_decode=True)
    asked = watched(choice, 20, rates={"cores": 1000, "device": 800}, waiting=0.5)
    assert asked == ["cores"] * PROBE_BATCHES + ["device"] * PROBE_BATCHES + ["cores"] * (20 - 2 * PROBE_BATCHES)


def test_a_decoder_that_does_not_work_here_is_not_asked_again():
    choice = DecoderChoice(device_can_decode=True)
    watched(choice, PROBE_BATCHES, rates={"cores": 1000}, waiting=0.5)
    assert choice.decoder == "device"
    choice.refuse_device()
    assert set(watched(choice, 20, rates={"cores": 10}, waiting=0.9)) == {"cores"}


def test_the_first_batch_of_each_warms_up_and_does_not_count():
    choice = DecoderChoice(device_can_decode=True)
    watched(choice, PROBE_BATCHES, rates={"cores": 1000}, waiting=0.5)
    watched(choice, 1, rates={"device": 1}, waiting=0.5)
    watched(choice, PROBE_BATCHES - 1, rates={"device": 1500}, waiting=0.5)
    assert choice.decoder == "device"


def test_batches_of_the_cores_that_come_in_late_change_nothing():
    # Several batches are under way when the decoder changes.
    choice = DecoderChoice(device_can_decode=True)
    watched(choice, PROBE_BATCHES, rates={"cores": 1000}, waiting=0.5)
    for _ in range(3):
        choice.record("cores", 256, 0.25, 0.0)
    assert choice.decoder == "device"

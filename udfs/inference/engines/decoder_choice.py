"""Whether the cores or the GPU decode: found by a short probe while the work goes on."""

from statistics import median

PROBE_BATCHES = 4
"""Full batches by which each decoder is judged; the first of them warms it up and does not count."""
CORES_ARE_THE_LIMIT = 0.1
"""Share of the time spent waiting for the cores, above which the GPU's decoder is worth a try."""


class DecoderChoice:
    """Feed it each batch's figures; it says who decodes the next. Cores first; then, where the device spent its time
    waiting for them, the GPU; then whoever was faster."""

    def __init__(self, *, device_can_decode: bool) -> None:
        self._rates: dict[str, list[float]] = {"cores": [], "device": []}
        self._waits: list[float] = []
        self._settled: str | None = None if device_can_decode else "cores"

    @property
    def decoder(self) -> str:
        """Who decodes the next batch: cores or device."""
        if self._settled is not None:
            return self._settled
        return "cores" if len(self._rates["cores"]) < PROBE_BATCHES else "device"

    def record(self, decoder: str, photos: int, seconds: float, waited: float) -> None:
        """Note that a batch took `seconds`, of which the device waited `waited` for its decoder."""
        if self._settled is not None or seconds <= 0:
            return
        self._rates[decoder].append(photos / seconds)
        if decoder == "cores":
            self._waits.append(waited / seconds)
            if len(self._waits) == PROBE_BATCHES and median(self._waits[1:]) < CORES_ARE_THE_LIMIT:
                self._settled = "cores"
        elif len(self._rates["device"]) == PROBE_BATCHES:
            faster = median(self._rates["device"][1:]) > median(self._rates["cores"][1:])
            self._settled = "device" if faster else "cores"

    def refuse_device(self) -> None:
        """The GPU's decoder does not work here: the cores decode from now on."""
        self._settled = "cores"

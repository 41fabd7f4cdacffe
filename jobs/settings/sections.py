"""The one settings object: defaults < conf/base.yaml < conf/<place>.yaml < environment < --set a.b=c."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from udfs.images.photo import LEAST_MEMORY, SanitiseLimits


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SparkSettings(Section):
    """How the Spark session is found or built."""

    app_name: str = Field("claimlens", description="Name of the Spark application")
    master: str | None = Field(
        None, description="Master URL; null: the running session's, else local[*,4] (all cores, four attempts a task)"
    )
    remote: str | None = Field(None, description="Spark Connect address, for example sc://host:15002 or local[2]")
    driver_memory: str = Field("2g", description="Memory of the driver's JVM")
    shuffle_partitions: int = Field(8, ge=1, description="Tasks after a shuffle")
    delta_package: str = Field("io.delta:delta-spark_4.2_2.13:4.4.0", description="Maven coordinates of Delta")
    delta_jars: list[str] = Field([], description="Delta jars supplied by hand, instead of Maven Central")
    jar_cache: str = Field("~/.cache/claimlens/ivy", description="Where downloaded Delta jars are kept")
    config: dict[str, str] = Field({}, description="Any further Spark configuration")


class TableSettings(Section):
    """Where the tables are: a Unity Catalog schema, or a directory."""

    catalog: str | None = Field(None, description="Unity Catalog catalog; null keeps the tables under tables.root")
    schema_name: str | None = Field(None, description="Schema; set together with catalog")
    root: str = Field(".claimlens/lakehouse", description="Directory of the tables, any path that Spark writes")
    staging: str | None = Field(
        None, description="Directory for waves between inference and commit; null: root/_staging"
    )
    staging_hours: float = Field(24, ge=0, description="Age after which a wave left by a killed run is cleared away")


OPTIONS = (
    "Of csv and json: encoding, sep, quote, escape, header, pathGlobFilter, recursiveFileLookup, where they are not "
    "as found; else options of Spark's reader"
)


class ClaimSettings(Section):
    """Where claim records come from, and which of their columns means what."""

    path: str | None = Field(None, description="File or directory of the claim records; null: no claims")
    format: Literal["json", "csv", "parquet", "delta"] = Field("json", description="json, csv, parquet or delta")
    options: dict[str, str] = Field({}, description=OPTIONS)
    decimal: Literal[".", ","] = Field(".", description="Decimal sign of numbers that are written as text")
    missing: Literal["keep", "flag", "remove"] = Field(
        "keep",
        description="Claims that the records no longer name: keep, flag (claim_id:missing), or remove with their "
        "links; for the latter two ingest.claims.path must hold all claims",
    )
    columns: dict[str, str] = Field({}, description="column of claims -> column of the source, dots for nesting")
    date_formats: list[str] = Field(
        ["yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd", "dd-MM-yyyy", "dd/MM/yyyy", "dd.MM.yyyy"],
        description="Tried in this order where a date is not ISO 8601; the first that fits a value decides",
    )
    sentinel_dates: list[str] = Field(["1900-01-01"], description="Dates that stand for 'not known': kept and flagged")
    dirty_keys: list[str] = Field(
        [r"(?i)as per list.*", r"(?i)n/?a", r"(?i)unknown", r"-+", r"\s*"],
        description="Regular expressions of keys that are text, not keys: flagged; a claim so called fails",
    )


class LinkSettings(Section):
    """How a photo finds its claims."""

    kind: Literal["metadata", "path_pattern", "none"] = Field(
        "path_pattern", description="metadata (a file), path_pattern (the photo's path), or none"
    )
    path: str | None = Field(None, description="metadata: the file with one row per photo and claim")
    format: Literal["csv", "json", "parquet", "delta"] = Field("csv", description="metadata: the file's format")
    options: dict[str, str] = Field({}, description="As ingest.claims.options")
    photo_column: str = Field("image_name", description="metadata: column with the photo's name or relative path")
    claim_column: str = Field("claim_no", description="metadata: column with the claim's number")
    pattern: str = Field(r".*/(?P<claim_id>[^/]+)/[^/]+$", description="path_pattern: names the group claim_id")


class IngestSettings(Section):
    """Photos in, and what they become."""

    photos: str | None = Field(None, description="Directory, glob, object store or volume path of the photos")
    glob: str = Field("*", description="Names of the files that are photos, for example *.jpg")
    recursive: bool = Field(True, description="Look into subdirectories too")
    missing: Literal["unlink", "keep"] = Field(
        "unlink", description="Photos whose files are gone from the source: taken from their claims, or kept there"
    )
    auto_loader: bool = Field(False, description="Discover files by Databricks Auto Loader")
    wave_photos: int | None = Field(
        None,
        ge=1,
        description="Files that are read, cleaned and committed together; null: 2,000, more on more than 8 cores",
    )
    partitions: int | None = Field(
        None, ge=1, description="Tasks that read and clean a wave; null: as many as the cluster runs at once"
    )
    longest_side: int = Field(1024, ge=32, description="Longest side of a sanitised photo in pixels")
    jpeg_quality: int = Field(88, ge=1, le=100, description="Quality of the sanitised JPEG")
    maximum_bytes: int = Field(64 * 1024 * 1024, ge=1, description="Larger files fail with too_many_bytes")
    maximum_pixels: int = Field(150_000_000, ge=1, description="Larger pictures fail with too_many_pixels")
    maximum_seconds: float = Field(5.0, gt=0, description="Pictures that take longer to decode: decoder_timeout")
    maximum_memory: int = Field(
        1_000_000_000, ge=LEAST_MEMORY, description="Bytes; pictures that take more to decode: too_much_memory (Linux)"
    )
    claims: ClaimSettings = ClaimSettings()
    links: LinkSettings = LinkSettings()

    @property
    def limits(self) -> SanitiseLimits:
        """What a photo may be, and what it becomes."""
        return SanitiseLimits(
            longest_side=self.longest_side,
            jpeg_quality=self.jpeg_quality,
            maximum_bytes=self.maximum_bytes,
            maximum_pixels=self.maximum_pixels,
            maximum_seconds=self.maximum_seconds,
            maximum_memory=self.maximum_memory,
        )


class ModelSettings(Section):
    """One model, and how it runs."""

    name: str = Field("bundled:demo", description="bundled:NAME, a local directory, or a Hugging Face hub name")
    kind: str = Field(
        "transformers", description="Who describes and opens the model: transformers, or a kind that a package adds"
    )
    options: dict[str, str] = Field({}, description="What only a package's kind knows; a secret by its variable's name")
    revision: str | None = Field(None, description="Commit of the hub model; required for hub models")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto takes a GPU where there is one")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="auto: half precision where device is cuda, else float32; part of the model_key",
    )
    scaled_decoding: bool = Field(
        True, description="Decode large photos at 1/2, 1/4 or 1/8 of their size; part of the model_key"
    )
    compiled: bool = Field(False, description="Run the photo network through torch.compile; needs a C++ compiler")
    batch_size: int | None = Field(
        None, ge=1, description="Photos that go through the model together; null: what suits the device"
    )
    cores: int | None = Field(None, ge=1, description="Cores for inference on an executor; null: all it may use")
    host: Literal["auto", "task"] = Field(
        "auto", description="auto: a process of its own holds the model, where that is allowed; task: every task does"
    )
    deadline_seconds: float = Field(
        300,
        gt=0,
        description="Seconds without a result, then the model's process is asked how it is; a stuck one ends",
    )


class RoleSettings(Section):
    """Which model serves which purpose. One may serve several: a role left at null asks the photo model."""

    photo: ModelSettings = ModelSettings()
    text: ModelSettings | None = Field(None, description="Embeds passages and questions; null: the photo model")


class EmbedSettings(Section):
    """Which entities get vectors, and in what portions."""

    photos: bool = Field(True, description="Embed photos")
    passages: bool = Field(True, description="Embed the passages of claim narratives, where the model has a text tower")
    classify: bool = Field(True, description="Classify new photos in the same pass, where the model has a text tower")
    wave_photos: int = Field(4096, ge=1, description="Photos inferred and committed together; a crash loses one wave")
    partitions: int | None = Field(
        None, ge=1, description="Tasks per wave; null: as the files are split, which moves no photo"
    )


class EstimateSettings(Section):
    """What an estimate times, and for whom it plans."""

    sample_photos: int = Field(2048, ge=1, description="Photos that are timed at most, and passages")
    sample_seconds: float = Field(30, gt=0, description="Seconds after which a sample ends, warm-up not counted")
    machines: int = Field(4, ge=1, description="Machines like this one in the cluster that is planned for")
    price_per_hour: float | None = Field(None, ge=0, description="Price of one machine for an hour, in any currency")


class ClassifySettings(Section):
    """Which taxonomy is applied."""

    taxonomy: str = Field("vehicle", description="Name of a shipped taxonomy, or the path of a YAML file")


class AssessSettings(Section):
    """How reported severities compare with seen ones."""

    severity_map: dict[str, str] = Field(
        {
            "trivial": "minor",
            "trivial damage": "minor",
            "minor": "minor",
            "minor damage": "minor",
            "low": "minor",
            "moderate": "moderate",
            "moderate damage": "moderate",
            "medium": "moderate",
            "major": "severe",
            "major damage": "severe",
            "severe": "severe",
            "high": "severe",
            "total loss": "severe",
        },
        description="Reported severity in lower case -> minor, moderate or severe",
    )


class IndexSettings(Section):
    """The vector index."""

    kind: str = Field("lance", description="Store that keeps it: lance, or the name of one that a package adds")
    root: str = Field(".claimlens/index", description="Directory of the indexes, one for each model_key")
    verify_every: int = Field(
        20, ge=0, description="Every so many syncs the contents are proved against the tables; 0: only by verify"
    )


class SearchSettings(Section):
    """Defaults of a search."""

    limit: int = Field(10, ge=1, le=1000, description="Hits")


class TrackingSettings(Section):
    """MLflow."""

    enabled: bool = Field(True, description="Log every job to MLflow")
    uri: str | None = Field(None, description="Tracking server; null is a local SQLite store under tracking.root")
    root: str = Field(".claimlens/mlflow", description="Directory of the local store")
    experiment: str = Field("claimlens", description="MLflow experiment")
    searches: bool = Field(False, description="Log searches too; importing MLflow adds seconds to each")


class ReportSettings(Section):
    """The HTML report."""

    output: str = Field(".claimlens/report.html", description="Where the page is written")
    near_duplicate_distance: int = Field(4, ge=0, le=16, description="Bits of 64 by which perceptual hashes may differ")


class LimitSettings(Section):
    """When a job gives up."""

    failure_rate: float = Field(0.2, ge=0, le=1, description="Share of failed rows above which the job fails")
    failure_minimum: int = Field(20, ge=0, description="Rows below which the failure rate is not judged")
    missing_rate: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of known files, or links, that may be gone from their source at once; above it, or where "
        "none is left, ingest stops; 1: never",
    )
    retry_pause: float = Field(
        1, ge=0, description="Seconds before a failure that may pass is tried again; doubled each time, up to a day"
    )


class DemoSettings(Section):
    """What the demo renders before the flow runs."""

    root: str | None = Field(None, description="Where the demo data is rendered; null: no demo")
    claims: int = Field(120, ge=1, description="Claims to render")
    seed: int = Field(7, description="Same seed, same bytes")


class Settings(Section):
    """Everything a user may set; the README's table is made from this."""

    place: str = Field("local", description="Where this runs; --config names it")
    spark: SparkSettings = SparkSettings()
    tables: TableSettings = TableSettings()
    ingest: IngestSettings = IngestSettings()
    models: RoleSettings = RoleSettings()
    embed: EmbedSettings = EmbedSettings()
    estimate: EstimateSettings = EstimateSettings()
    classify: ClassifySettings = ClassifySettings()
    assess: AssessSettings = AssessSettings()
    index: IndexSettings = IndexSettings()
    search: SearchSettings = SearchSettings()
    tracking: TrackingSettings = TrackingSettings()
    report: ReportSettings = ReportSettings()
    limits: LimitSettings = LimitSettings()
    demo: DemoSettings = DemoSettings()

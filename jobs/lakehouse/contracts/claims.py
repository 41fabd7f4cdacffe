"""Claim records."""

from jobs.lakehouse.contracts.table import Column, TableContract, adding

_ADDED = (
    Column("updated_at", "TIMESTAMP_NTZ", "When the source last changed the record"),
    Column("given_at", "STRING", "As JSON: columns that an older record gave, or none, and when that was of"),
)


CLAIMS = TableContract(
    "claims",
    2,
    "Claim records, typed, with what looked wrong in them flagged",
    (
        Column("claim_id", "STRING", "The insurer's number of the claim", required=True, identifies="claim"),
        Column("policy_id", "STRING", "The insurer's number of the policy", identifies="policy"),
        Column(
            "vehicle_id", "STRING", "Chassis number or other key of the insured thing, as given", identifies="vehicle"
        ),
        Column("claimed_at", "TIMESTAMP_NTZ", "When the claim was made"),
        Column("incident_date", "DATE", "Day of the incident"),
        Column("incident_hour", "INT", "Hour of the incident, 0 to 23"),
        Column("incident_type", "STRING", "Kind of incident as reported"),
        Column("collision_type", "STRING", "Kind of collision as reported"),
        Column("reported_severity", "STRING", "Severity as reported"),
        Column("vehicles_involved", "INT", "Number of vehicles"),
        Column("driver_age", "DOUBLE", "Age of the driver in years; 0 is kept and flagged"),
        Column("license_issue_date", "DATE", "Issue date of the driver's licence; sentinels are kept and flagged"),
        Column("amount_total", "DOUBLE", "Claimed amount in the insurer's currency"),
        Column("amount_injury", "DOUBLE", "Part claimed for injury"),
        Column("amount_property", "DOUBLE", "Part claimed for property"),
        Column("amount_vehicle", "DOUBLE", "Part claimed for the vehicle"),
        Column("narrative", "STRING", "What happened, in the claimant's or handler's words"),
        Column("flags", "ARRAY<STRING>", "What looked wrong: <column>:<reason>, for example driver_age:zero"),
        Column("raw", "STRING", "The source record as JSON"),
        Column("record_hash", "STRING", "SHA-256 of the source record: tells a changed claim", required=True),
        Column("ingested_at", "TIMESTAMP", "When this row was written", required=True),
        Column("run_id", "STRING", "The job run that wrote it", required=True),
        *_ADDED,
    ),
    key=("claim_id",),
    cluster_by=("claim_id",),
    checks=(("claim_id_given", "length(trim(claim_id)) > 0"),),
    migrations={1: adding(*_ADDED)},
)

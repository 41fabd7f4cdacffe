# Databricks notebook source
# MAGIC %md
# MAGIC # claimlens: from claim photos to a searchable index
# MAGIC
# MAGIC This notebook runs the whole flow, the same jobs that `claimlens run` and the scheduled workflow run:
# MAGIC **ingest → embed → classify → assess → sync-index → report**. It holds no logic of its own.
# MAGIC
# MAGIC Run again, it does only what is new: a second run over the same photos embeds none.

# COMMAND ----------

# MAGIC %md
# MAGIC ## Parameters
# MAGIC `place` names the settings: `demo` renders its own claims and needs nothing; `databricks` reads yours.
# MAGIC `overrides` holds more settings, apart by blanks: `ingest.photos=/Volumes/raw/photos limits.failure_rate=0.1`.
# MAGIC Outside Databricks there are no widgets: `CLAIMLENS_PLACE` and `CLAIMLENS_<SECTION>__<KEY>` take their place.

# COMMAND ----------

import os

place, overrides = os.environ.get("CLAIMLENS_PLACE", "demo"), ""
if "dbutils" in globals():
    dbutils.widgets.dropdown("place", "demo", ["demo", "databricks"])
    dbutils.widgets.text("overrides", "")
    place, overrides = dbutils.widgets.get("place"), dbutils.widgets.get("overrides")

# COMMAND ----------

from jobs import run
from jobs.job.context import JobContext
from jobs.settings.load import load_settings

settings = load_settings(place, overrides.split())
context = JobContext.create(settings)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The flow
# MAGIC Every job returns a report: rows in = written + skipped + failed, and why anything failed.

# COMMAND ----------

done = run.run(context)
for job in done.details["jobs"]:
    print(f"{job['job']:<12}{job['status']:<16}{job['counts']}  {job['seconds']} s")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What the photos show

# COMMAND ----------

from pyspark.sql import functions as F

predictions = context.lakehouse.read("damage_predictions")
damages = predictions.select(F.explode("labels").alias("damage"), "severity", "confidence", "decision")
damages.groupBy("damage", "decision").agg(F.count("damage").alias("photos"), F.avg("confidence")).orderBy(
    "damage"
).show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Claims whose photos disagree with what was reported

# COMMAND ----------

assessments = context.lakehouse.read("claim_assessments")
mismatched = assessments.where("agreement IN ('seen_worse', 'seen_milder')")
mismatched.select("claim_id", "reported_severity", "worst_severity", "damages", "review_reasons").show(20, truncate=60)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The report
# MAGIC One page with the photos: failures, classes, the review queue, mismatches, shared photos and the map.

# COMMAND ----------

from pathlib import Path

page = Path(done.details["page"])
if "displayHTML" in globals():
    displayHTML(page.read_text(encoding="utf-8"))
else:
    print(f"Open {page} in a browser.")

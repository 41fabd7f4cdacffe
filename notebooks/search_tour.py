# Databricks notebook source
# MAGIC %md
# MAGIC # claimlens: a tour of the search
# MAGIC
# MAGIC Ask the index with a sentence, a photo, a claim, or a photo with a sentence, and filter by what claims and
# MAGIC photos say. Run the quickstart first: it fills the index. This notebook holds no logic of its own.

# COMMAND ----------

# MAGIC %md
# MAGIC ## Parameters
# MAGIC The same `place` and `overrides` as in the quickstart, so that both mean the same tables and index.

# COMMAND ----------

import os

place, overrides = os.environ.get("CLAIMLENS_PLACE", "demo"), ""
if "dbutils" in globals():
    dbutils.widgets.dropdown("place", "demo", ["demo", "databricks"])
    dbutils.widgets.text("overrides", "")
    place, overrides = dbutils.widgets.get("place"), dbutils.widgets.get("overrides")

# COMMAND ----------

from rich.console import Console

from jobs.job.context import JobContext
from jobs.retrieval.question import Query
from jobs.retrieval.searcher import Searcher
from jobs.settings.load import load_settings
from jobs.steps.search.page import render_page
from jobs.steps.search.pictures import pictures_of
from jobs.steps.search.table import render_table

settings = load_settings(place, overrides.split())
context = JobContext.create(settings)
searcher = Searcher.open(settings, say=print)
console = Console(width=140)

# COMMAND ----------

# MAGIC %md
# MAGIC ## A sentence
# MAGIC It needs a model with a text tower: the demo's own, CLIP or SigLIP.

# COMMAND ----------

by_sentence = searcher.search(Query(sentence="a car with shattered glass", limit=5))
render_table(by_sentence, console)

# COMMAND ----------

# MAGIC %md
# MAGIC ## A sentence, among photos that look severe
# MAGIC Filters read like SQL conditions; all of them must hold.

# COMMAND ----------

filtered = searcher.search(Query(sentence="a car with a dent", where=("severity = severe",), limit=5))
render_table(filtered, console)

# COMMAND ----------

# MAGIC %md
# MAGIC ## A photo
# MAGIC The bytes of any file: here one of the index's own photos, from the table of sanitised photos.

# COMMAND ----------

photo = context.lakehouse.read("photos").where("status = 'ok'").orderBy("photo_id").select("photo_id", "jpeg").first()
by_photo = searcher.search(Query(photo=bytes(photo["jpeg"]), limit=5))
render_table(by_photo, console)

# COMMAND ----------

# MAGIC %md
# MAGIC ## A photo with a sentence
# MAGIC `weight` is the sentence's share: more of it changes what is looked for, less of it keeps to the photo.

# COMMAND ----------

by_both = searcher.search(Query(sentence="at night", photo=bytes(photo["jpeg"]), weight=0.4, limit=5))
render_table(by_both, console)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Claims like this one

# COMMAND ----------

claim_id = by_sentence.hits[0].claim_ids[0] if by_sentence.hits[0].claim_ids else None
if claim_id:
    by_claim = searcher.search(Query(claim_id=claim_id, limit=5))
    render_table(by_claim, console)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The hits as a page with their photos

# COMMAND ----------

page = render_page(by_sentence, *pictures_of(by_sentence, settings.tables))
if "displayHTML" in globals():
    displayHTML(page)
else:
    print(f"{len(by_sentence.hits)} hits on a page of {len(page):,} characters.")

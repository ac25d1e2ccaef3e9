"""Writes a deployment on Google Cloud.

It says what Terraform or gcloud should create for a pipeline file. The jobs are those that a run would create
(`chain.jobs.cloudrun.definition`); accounts, grants, schedule and alert are plain values, which each format only
spells. Nothing here calls anything.
"""

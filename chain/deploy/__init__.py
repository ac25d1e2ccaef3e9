"""Writes a deployment on Google Cloud.

What Terraform or gcloud is to make of a pipeline file. The jobs are those that a run would make by itself
(`chain.jobs.cloudrun.definition`); accounts, grants, schedule and alert are plain values, which each format only
spells. Nothing here calls anything.
"""

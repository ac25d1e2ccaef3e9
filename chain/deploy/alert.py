"""Plans the alert for a night that did not succeed.

No execution of the chain's job has gone well for longer than a night may take to come. The absence of success is
watched and not the presence of failure: a scheduler that is paused, a job that was deleted and an account without its
role leave no failure behind. A successful night lies at most 25 hours after the one before (clocks change), plus the
difference of their lengths. One condition_absent waits 23.5 hours at most, and an alignment is 25 hours long at most,
so a sum over the longest alignment is awaited for `SILENCE_SECONDS` more. Whether a job that rests is reported as zero
or not at all is not promised, so both are conditions: https://cloud.google.com/monitoring/alerts/metric-absence,
https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies
"""

from __future__ import annotations

from typing import Any

from chain.deploy.jobs import job_id_of
from staging.config.pipeline import Pipeline

METRIC = "run.googleapis.com/job/completed_execution_count"
ALIGNMENT_SECONDS = 25 * 3600
SILENCE_SECONDS = 3 * 3600
SILENT_HOURS = (ALIGNMENT_SECONDS + SILENCE_SECONDS) // 3600


def plan_alert(pipeline: Pipeline) -> dict[str, Any]:
    """Return the alert policy, without its recipients.

    By the names of the API's fields.
    """
    job = job_id_of(pipeline, "chain")
    series, silence = _series(pipeline, job), f"{SILENCE_SECONDS}s"
    return {
        "display_name": f"Penstock {pipeline.name}: no day was brought to done",
        "combiner": "OR",
        "severity": "ERROR",
        "documentation": {
            "mime_type": "text/markdown",
            "content": f"No execution of the job {job} has gone well for {SILENT_HOURS} hours: it failed, or nothing "
            f"started it. Its last executions say why: gcloud run jobs executions list --job={job} "
            f"--region={pipeline.cloud.region} --project={pipeline.cloud.project}\n\n"
            "`penstock status` tells of each day how far it is. After the cause is mended, the same job goes on: "
            f"gcloud run jobs execute {job} --region={pipeline.cloud.region} --project={pipeline.cloud.project}",
        },
        "conditions": [
            {
                "display_name": f"no word of success for {SILENT_HOURS} hours",
                "condition_absent": {**series, "duration": silence},
            },
            {
                "display_name": f"successes of {SILENT_HOURS} hours are zero",
                "condition_threshold": {
                    **series,
                    "comparison": "COMPARISON_LT",
                    "threshold_value": 1,
                    "duration": silence,
                    "evaluation_missing_data": "EVALUATION_MISSING_DATA_ACTIVE",
                },
            },
        ],
    }


def _series(pipeline: Pipeline, job: str) -> dict[str, Any]:
    return {
        "filter": f'metric.type = "{METRIC}" AND resource.type = "cloud_run_job"'
        f' AND resource.labels.job_name = "{job}" AND resource.labels.location = "{pipeline.cloud.region}"'
        ' AND metric.labels.result = "succeeded"',
        "aggregations": [
            {
                "alignment_period": f"{ALIGNMENT_SECONDS}s",
                "per_series_aligner": "ALIGN_DELTA",
                "cross_series_reducer": "REDUCE_SUM",
            }
        ],
    }

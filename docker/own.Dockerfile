# Your own transform, and what it imports, on top of an image of ours: an example to copy.
#
#   docker build -f docker/own.Dockerfile --build-arg JOB=processor -t europe-docker.pkg.dev/you/penstock/processor:1 .
#   docker build -f docker/own.Dockerfile --build-arg JOB=chain -t europe-docker.pkg.dev/you/penstock/chain:1 .
#
# The processor runs the transform; the chain asks it in `init` and `doctor` what it promises. Exporter and loader need
# none of it. A new version of the transform is a new tag: `penstock deploy` then sees that something changed.
ARG JOB=processor
FROM penstock-$JOB
USER root
COPY docker/own/requirements.txt /pipelines/
RUN pip install --no-cache-dir --target /pipelines --requirement /pipelines/requirements.txt
COPY docker/own/tiers.py /pipelines/
USER 10001

// Drives the Cloud Run Admin API with Google's own client for Node; only endpoint and credentials differ from the cloud.
// Usage: node drive.js HOST PORT PARENT JOB_ID. Prints one JSON object with what it saw.
'use strict';
const {JobsClient, ExecutionsClient, TasksClient} = require('@google-cloud/run').v2;
const {grpc} = require('google-gax');

const [host, port, parent, jobId] = process.argv.slice(2);
const options = {apiEndpoint: host, port: Number(port), sslCreds: grpc.credentials.createInsecure()};

async function main() {
  const jobs = new JobsClient(options);
  const executions = new ExecutionsClient(options);
  const tasks = new TasksClient(options);
  const name = `${parent}/jobs/${jobId}`;
  const seen = {};

  const container = {image: 'sh', args: ['exit ${CODE:-0}']};
  const job = {template: {taskCount: 2, template: {containers: [container], maxRetries: 0}}};
  const [creation] = await jobs.createJob({parent, jobId, job});
  const [created] = await creation.promise();
  seen.timeoutSeconds = Number(created.template.template.timeout.seconds);

  const [run] = await jobs.runJob({name, overrides: {taskCount: 3}});
  const [execution] = await run.promise();
  seen.succeeded = execution.succeededCount;
  const [listed] = await tasks.listTasks({parent: execution.name});
  seen.tasks = listed.map(task => task.index);

  const overrides = {containerOverrides: [{env: [{name: 'CODE', value: '5'}]}]};
  const [failing] = await jobs.runJob({name, overrides});
  seen.failure = await failing.promise().then(() => '', error => error.message);

  const slow = {containerOverrides: [{args: ['sleep 100']}]};
  const [endless] = await jobs.runJob({name, overrides: slow});
  const [cancel] = await executions.cancelExecution({name: endless.metadata.name});
  await cancel.promise();
  const [cancelled] = await executions.getExecution({name: endless.metadata.name});
  seen.cancelled = cancelled.cancelledCount;

  const [all] = await executions.listExecutions({parent: name});
  seen.executions = all.length;
  const [deletion] = await jobs.deleteJob({name});
  await deletion.promise();
  seen.gone = await jobs.getJob({name}).then(() => '', error => error.message);
  await Promise.all([jobs.close(), executions.close(), tasks.close()]);
  console.log(JSON.stringify(seen));
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});

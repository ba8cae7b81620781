// Asks STS who it is, once for each line that comes in.
//
// Credentials, region and endpoint are what the SDK finds by itself. Each answer
// is one line of JSON, with the credentials that it was asked with.

import { createInterface } from "node:readline";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const sts = new STSClient({});
for await (const _ of createInterface({ input: process.stdin })) {
  const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
  const credentials = await sts.config.credentials();
  const answer = {
    Arn,
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    SessionToken: credentials.sessionToken,
  };
  console.log(JSON.stringify(answer));
}

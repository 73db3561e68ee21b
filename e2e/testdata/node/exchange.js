// A program for Azure whose workload has a token of another issuer: it prints whose tokens it gets for it.
import { readFile } from "node:fs/promises";
import { ClientAssertionCredential, WorkloadIdentityCredential } from "@azure/identity";

const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_FEDERATED_TOKEN_FILE: file, WRONG_TOKEN_FILE: wrong } = process.env;
const scope = "https://management.azure.com/.default";
const seen = {};
for (const [name, credential] of [
  ["workload", new WorkloadIdentityCredential()],
  ["assertion", new ClientAssertionCredential(tenant, client, () => readFile(file, "utf8"))],
]) {
  const { token } = await credential.getToken(scope);
  seen[name] = JSON.parse(Buffer.from(token.split(".")[1], "base64url")).oid;
}
try {
  await new WorkloadIdentityCredential({ tokenFilePath: wrong }).getToken(scope);
} catch (error) {
  seen.wrong = /AADSTS\d+/.exec(String(error))?.[0] ?? String(error);
}
console.log(JSON.stringify(seen));

// A program for Azure: it knows the names of Azure and the credentials that it was given, and
// nothing of Midas. It prints what it has seen.
import { ClientSecretCredential } from "@azure/identity";
import { ManagedServiceIdentityClient } from "@azure/arm-msi";

const env = process.env;
const credential = new ClientSecretCredential(env.MIDAS_TENANT_ID, env.MIDAS_CLIENT_ID, env.MIDAS_CLIENT_SECRET);
const token = await credential.getToken("https://management.azure.com/.default");
const client = new ManagedServiceIdentityClient(credential, env.MIDAS_SUBSCRIPTION_ID);
const identities = client.userAssignedIdentities;

const seen = { parts: token.token.split(".").length, names: [] };
const created = await identities.createOrUpdate("rg1", "node-app", { location: "eastus", tags: { by: "node" } });
seen.principal = created.principalId;
seen.same = (await identities.get("rg1", "node-app")).principalId === created.principalId;
for await (const one of identities.listByResourceGroup("rg1")) seen.names.push(one.name);
await identities.delete("rg1", "node-app");
try {
  await identities.get("rg1", "node-app");
} catch (e) {
  seen.gone = `${e.statusCode} ${e.code}`;
}
try {
  await new ClientSecretCredential(env.MIDAS_TENANT_ID, env.MIDAS_CLIENT_ID, "wrong").getToken("https://management.azure.com/.default");
} catch (e) {
  seen.wrong = /AADSTS\d+/.exec(e.message)?.[0];
}
console.log(JSON.stringify(seen));

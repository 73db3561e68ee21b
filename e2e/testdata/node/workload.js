// A program for Azure that has no secret: it prints whose tokens it gets.
import { ManagedIdentityCredential } from "@azure/identity";

const { CLIENT_ID: clientId, OBJECT_ID: objectId, RESOURCE_ID: resourceId } = process.env;
const seen = {};
for (const [name, option, audience] of [
  ["default", undefined, "https://default.node.test"],
  ["client", { clientId }, "https://client.node.test"],
  ["object", { objectId }, "https://object.node.test"],
  ["resource", { resourceId }, "https://resource.node.test"],
]) {
  const credential = option ? new ManagedIdentityCredential(option) : new ManagedIdentityCredential();
  const { token } = await credential.getToken(`${audience}/.default`);
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  seen[name] = claims.aud === audience ? claims.oid : `a token for ${claims.aud}`;
}
console.log(JSON.stringify(seen));

"""A program for Azure that has no secret: it prints whose tokens it gets."""
import base64
import json
import os

from azure.identity import ManagedIdentityCredential

seen = {}
for name, options in {"default": {}, "client": {"client_id": os.environ["CLIENT_ID"]}}.items():
    audience = "https://%s.python.test" % name
    token = ManagedIdentityCredential(**options).get_token(audience + "/.default").token
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    seen[name] = claims["oid"] if claims["aud"] == audience else "a token for " + claims["aud"]
print(json.dumps(seen))

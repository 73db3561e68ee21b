"""A program for Azure whose workload has a token of another issuer: it prints whose tokens it gets for it."""
import base64
import json
import os
import re

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential

SCOPE = "https://management.azure.com/.default"


def oid_for(variable):
    """Return whose token the workload gets for the token in a file that a variable names."""
    def read():
        with open(os.environ[variable], encoding="ascii") as file:
            return file.read()

    credential = ClientAssertionCredential(os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], read)
    payload = credential.get_token(SCOPE).token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["oid"]


seen = {"assertion": oid_for("AZURE_FEDERATED_TOKEN_FILE")}
try:
    oid_for("WRONG_TOKEN_FILE")
except ClientAuthenticationError as error:
    seen["wrong"] = re.search(r"AADSTS\d+", str(error)).group()
print(json.dumps(seen))

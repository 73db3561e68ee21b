
// The key of this browser's session. Browsers send cookies to every port of a host, but local storage
// belongs to one origin. The form sends the key to the server.
(() => {
  "use strict";
  const name = "midas-session-key", form = document.querySelector("form"), resume = form.elements.action?.value === "resume";
  try {
    let key = localStorage.getItem(name) ?? "";
    if (!resume && !/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(key)) {
      const bytes = crypto.getRandomValues(new Uint8Array(32));
      key = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace("=", "");
      localStorage.setItem(name, key);
    }
    form.elements.key.value = key;
  } catch {
    // Without storage there is no session, and the user types the password each time.
  }
  if (resume) form.submit();
})();


// The key of this browser's session. Cookies go to every port of a host; what is kept here is for this
// origin alone, and the form takes it to the server.
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
    // Without storage the password is asked for each time.
  }
  if (resume) form.submit();
})();

// A person signs in with Chromium and then visits a program on another port of the same host. The program
// takes all cookies that it is sent to the server.
import http from "node:http";
import https from "node:https";
import { chromium } from "playwright-core";

const [origin, tenant, client, user, password, binary] = process.argv.slice(2);

const seen = { cookies: "" };
const program = http.createServer((request, response) => {
  seen.cookies = request.headers.cookie ?? "";
  response.end("<title>program</title>");
});
await new Promise((done) => program.listen(0, "localhost", done));
const back = `http://localhost:${program.address().port}`;

const authorize = (more) => `${origin}/${tenant}/oauth2/v2.0/authorize?` + new URLSearchParams({
  client_id: client, response_type: "code", redirect_uri: back, scope: "https://management.core.windows.net//.default",
  code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256", ...more,
});

// replay is another client of the server, with the cookies of the browser.
function replay(address, form) {
  return new Promise((done, failed) => {
    const request = https.request(address, {
      method: form ? "POST" : "GET", rejectUnauthorized: false,
      headers: { cookie: seen.cookies, origin, ...(form && { "content-type": "application/x-www-form-urlencoded" }) },
    }, (response) => {
      let body = "";
      response.on("data", (piece) => (body += piece));
      response.on("end", () => done({ location: response.headers.location ?? "", body }));
    });
    request.on("error", failed);
    request.end(form);
  });
}

async function steals(more) {
  let got = await replay(authorize(more));
  const sealed = /name="request" value="([^"]*)"/.exec(got.body);
  if (sealed) {
    got = await replay(`${origin}/${tenant}/login`, String(new URLSearchParams({ request: sealed[1], action: "resume", key: "" })));
  }
  return got.location.includes("code=") || got.body.includes(user);
}

const browser = await chromium.launch({ executablePath: binary, args: ["--no-sandbox"] });
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const violations = [];
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && violations.push(message.text()));
  await page.goto(authorize());
  await page.fill("#username", user);
  await page.fill("#password", password);
  await page.click("button[value=signin]");
  await page.waitForURL(back + "/**");
  const signedIn = page.url().includes("code=");

  await page.goto(authorize({ prompt: "select_account" }));
  await page.waitForSelector("button[value=continue]");
  const named = (await page.textContent("main")).includes(user);
  await page.click("button[value=continue]");
  await page.waitForURL(back + "/**");
  const continued = page.url().includes("code=");

  await page.goto(back);
  const stolen = seen.cookies.includes("__Host-midas-session-");
  const replayed = (await steals({ prompt: "none" })) || (await steals({ prompt: "select_account" })) || (await steals({}));

  await page.goto(`${origin}/${tenant}/oauth2/v2.0/logout`);
  await page.goto(authorize({ prompt: "select_account" }));
  await page.waitForSelector("#password");
  console.log(JSON.stringify({ signedIn, named, continued, stolen, replayed, violations }));
} finally {
  await browser.close();
  program.close();
}

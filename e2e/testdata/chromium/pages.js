// Signs in and out with Chromium as users do, at a server whose applications redirect to other origins.
// Prints one line of JSON: the name of each check, with what was wrong, or "".
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const [shots, origin, tenant, clientID, clientSecret, user, password, binary] = process.argv.slice(2);
const domain = user.split("@")[1];
const second = "second@" + domain;
const results = {};
let running = "";

function fault(text) { results[running] = [results[running], text].filter(Boolean).join("; "); }
function must(ok, text) { if (!ok) fault(text); }

// serve starts a server on a free port of a host, which is an origin of its own.
async function serve(host, handler) {
  const server = http.createServer(handler);
  await new Promise((done) => server.listen(0, host, done));
  return { server, origin: `http://${host}:${server.address().port}` };
}
const other = await serve("127.0.0.1", (request, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<title>Arrived</title><h1>Arrived</h1>");
});
const told = [];
const app = await serve("localhost", (request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/out") {
    told.push(url.searchParams.get("sid") ?? "");
    response.end("signed out");
  } else if (url.pathname === "/callback") {
    request.resume();
    request.on("end", () => response.writeHead(303, { location: other.origin + "/home?" + url.searchParams }).end());
  } else {
    response.setHeader("content-type", "text/html");
    response.end("<title>Application</title><h1>Application</h1>");
  }
});
const callback = app.origin + "/callback";

const browser = await chromium.launch({ executablePath: binary, args: ["--no-sandbox"] });
const violations = [];
async function person(options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && violations.push(`${running}: ${message.text()}`));
  return page;
}

// Graph makes the second user and the application.
const admin = (await person()).context().request;
async function answer(response) {
  if (!response.ok()) throw new Error(`${response.url()}: ${response.status()} ${await response.text()}`);
  return response.status() === 204 ? {} : response.json();
}
const { access_token } = await answer(await admin.post(`${origin}/${tenant}/oauth2/v2.0/token`, {
  form: { grant_type: "client_credentials", client_id: clientID, client_secret: clientSecret, scope: "https://graph.microsoft.com/.default" },
}));
const graph = async (where, data) => answer(await admin.post(`${origin}/v1.0/${where}`, { data, headers: { authorization: "Bearer " + access_token } }));
await graph("users", {
  accountEnabled: true, displayName: "Second User", mailNickname: "second", userPrincipalName: second,
  passwordProfile: { password, forceChangePasswordNextSignIn: false },
});
const { appId } = await graph("applications", {
  displayName: "Web Shop", web: { redirectUris: [callback, app.origin + "/bye"], logoutUrl: app.origin + "/out" },
});
await graph("servicePrincipals", { appId });

const authorize = (more = {}) => `${origin}/${tenant}/oauth2/v2.0/authorize?` + new URLSearchParams({
  client_id: appId, response_type: "code", redirect_uri: callback, scope: "openid profile User.Read", state: "s", ...more,
});
const heading = async (page, text) => {
  await page.waitForFunction((want) => document.querySelector("h1")?.textContent.includes(want), text);
};
const arrived = async (page, what) => {
  try {
    await page.waitForURL(other.origin + "/**");
  } catch {
    fault(`${what}: the browser stays at ${page.url().slice(0, 80)} (${await page.title()})`);
  }
};
async function enter(page, name, word = password) {
  await page.fill("#username", name);
  await page.fill("#password", word);
  await page.click("button[value=signin]");
}
async function signIn(page, name, more) {
  await page.goto(authorize(more));
  await enter(page, name);
  await page.waitForFunction((home) => location.href.startsWith(home) || document.querySelector("h1")?.textContent.includes("Permissions requested"), other.origin);
  if (!page.url().startsWith(other.origin)) {
    await page.click("button[value=accept]");
    await arrived(page, "sign-in");
  }
}

// look checks a page with axe, and the contrast of the focus ring.
const looked = new Set();
async function look(page, name) {
  if (looked.has(name)) return;
  looked.add(name);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => window.axe.run());
    for (const one of found.violations) fault(`axe, ${name}, ${colorScheme}: ${one.id} ${one.nodes.map((node) => node.html).join(" ").slice(0, 200)}`);
    for (const contrast of await page.evaluate(ringContrasts)) if (contrast < 3) fault(`${name}, ${colorScheme}: the focus ring has a contrast of ${contrast}`);
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) fault(`${name} is wider than the window`);
    if (!shots) continue;
    for (const [width, height] of [[1280, 800], [375, 720]]) {
      await page.setViewportSize({ width, height });
      if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) fault(`${name} is wider than a window of ${width}`);
      await page.screenshot({ path: path.join(shots, `${name}-${width}-${colorScheme}.png`) });
    }
    await page.setViewportSize({ width: 1280, height: 720 });
  }
  await page.emulateMedia({ colorScheme: "light" });
}
// ringContrasts returns the contrast of the focus ring of each control with what surrounds and what fills it.
function ringContrasts() {
  const luminance = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).slice(0, 3).map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const filled = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if (!/, 0\)$/.test(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const before = document.activeElement;
  const all = [];
  for (const control of document.querySelectorAll("button, input:not([type=hidden]), a[href]")) {
    control.focus({ focusVisible: true });
    const style = getComputedStyle(control);
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) all.push(0);
    else all.push(contrast(style.outlineColor, filled(control.parentElement)), contrast(style.outlineColor, filled(control)));
  }
  before?.focus?.();
  return all;
}

// leadsOn checks that reload, the address bar and going back end at a page with something to do.
async function leadsOn(page, name) {
  const useful = async (how) => {
    const status = await page.evaluate(() => document.querySelectorAll("main button, main a[href]").length).catch(() => 0);
    must(status > 0 && !/AADSTS(90|50089|9002313)/.test(await page.textContent("body")), `${name}, ${how}: ${page.url().slice(0, 80)} says ${(await page.textContent("body")).slice(0, 200)}`);
  };
  await page.reload();
  await page.waitForLoadState();
  await useful("reload");
  await page.goto(page.url());
  await useful("address bar");
}

const checks = {
  async "a callback that redirects to another origin is reached"() {
    const page = await person();
    await signIn(page, user);
    must(page.url().includes("code="), page.url());
    await page.goto(authorize({ prompt: "select_account" }));
    await heading(page, "Choose an account");
    await page.click("button[value=continue]");
    await arrived(page, "account picker");
    for (const prompt of ["", "select_account"]) {
      await page.goto(authorize({ response_mode: "form_post", ...(prompt && { prompt }) })).catch(() => {});
      if (prompt) await page.click("button[value=continue]");
      await arrived(page, "form_post " + prompt);
    }
    await page.goto(authorize({ prompt: "login" }));
    await page.click("button[value=cancel]");
    await arrived(page, "cancel");
    await page.goBack();
    await page.waitForLoadState();
    must(await page.locator("#password").isVisible().catch(() => false), "back from the application is " + page.url().slice(0, 80));
    await page.context().close();
  },

  async "the same without scripts"() {
    const page = await person({ javaScriptEnabled: false });
    await page.goto(authorize());
    await enter(page, user);
    await arrived(page, "sign-in");
    await page.context().close();
  },

  async "pages after forms can be reloaded and found again"() {
    const page = await person();
    await page.goto(authorize({ prompt: "consent" }));
    await look(page, "signin");
    await enter(page, user, "wrong");
    await heading(page, "Sign in");
    await page.waitForSelector("[role=alert]");
    await look(page, "wrong-password");
    await page.reload();
    must(await page.locator("#password").isVisible(), "a reload after a wrong password");
    await leadsOn(page, "after a wrong password");
    await enter(page, user);
    await heading(page, "Permissions requested");
    await look(page, "consent");
    await leadsOn(page, "consent");
    await heading(page, "Permissions requested");
    await page.click("button[value=accept]");
    await arrived(page, "after a reload");
    await page.goBack();
    await page.waitForLoadState();
    must(await page.locator("main button, main a[href]").count() > 0, "back from the application is " + page.url().slice(0, 80));
    await page.goto(`${origin}/${tenant}/login`);
    await heading(page, "Your accounts");
    await page.context().close();
  },

  async "a user name without its domain"() {
    const page = await person();
    await page.goto(authorize());
    for (const name of [user.split("@")[0], "nobody"]) {
      await enter(page, name);
      const said = await page.textContent("[role=alert]");
      must(said.includes(`full user name, such as ${name}@${domain}`) && !said.includes("password"), said);
    }
    await page.context().close();
  },

  async "several accounts, and sign-out of one or all"() {
    const page = await person();
    await signIn(page, user);
    await signIn(page, second, { prompt: "login" });
    await page.goto(authorize());
    await heading(page, "Choose an account");
    await look(page, "pick");
    await leadsOn(page, "account picker");
    await page.click(`button[value=continue]:has-text("${user}")`);
    await arrived(page, "first account");
    await page.goto(authorize({ login_hint: second }));
    await arrived(page, "login_hint");
    await page.goto(`${origin}/common/login`);
    await heading(page, "Your accounts");
    must((await page.locator("button[value=signout]").count()) === 2, "the account page shows both");
    await look(page, "accounts");
    told.length = 0;
    await page.goto(`${origin}/common/oauth2/v2.0/logout`);
    await heading(page, "Which account");
    await look(page, "signout");
    await page.click(`button[value=one]:has-text("${second}")`);
    await page.waitForURL(/login\?ctx=/);
    await heading(page, "You are signed out");
    must(told.length === 1 && /^[0-9a-f-]{36}$/.test(told[0]), `the application was told ${JSON.stringify(told)}`);
    await look(page, "signedout");
    await leadsOn(page, "signed out");
    await page.goto(authorize());
    await arrived(page, "the account that is left");
    await page.context().close();
  },

  async "sign-out tells the application and returns to it"() {
    const page = await person();
    await signIn(page, user);
    told.length = 0;
    await page.goto(`${origin}/${tenant}/oauth2/v2.0/logout?` + new URLSearchParams({ post_logout_redirect_uri: app.origin + "/bye", "client-request-id": "x" }));
    await page.waitForURL(app.origin + "/bye").catch(() => fault("the browser stays at " + page.url()));
    must(told.length === 1, `the application was told ${JSON.stringify(told)}`);
    await page.goto(`${origin}/${tenant}/oauth2/v2.0/logout`);
    await heading(page, "You are signed out");
    await look(page, "goodbye");
    await page.click("main a");
    must(await page.locator("#password").isVisible(), "the signed-out page leads to " + page.url());
    await page.context().close();
  },

  async "the code of a device"() {
    const page = await person();
    const start = async () => answer(await admin.post(`${origin}/common/oauth2/v2.0/devicecode`, { form: { client_id: "04b07795-8ddb-461a-bbee-02f9e1bf7b46", scope: "https://management.core.windows.net//.default" } }));
    let device = await start();
    await page.goto(device.verification_uri);
    await look(page, "device");
    await page.fill("#code", "WRONGCODE");
    await page.click("main button");
    await page.waitForSelector("[role=alert]");
    await leadsOn(page, "a wrong code");
    for (const written of [(d) => d.message, (d) => ` ${d.user_code.toLowerCase().replace(/(...)(...)/, "\u200b$1\u2013$2-\u00a0")}\u200b`]) {
      device = await start();
      await page.goto(device.verification_uri);
      await page.evaluate((text) => navigator.clipboard?.writeText(text).catch(() => {}), "");
      await page.locator("#code").pressSequentially(written(device));
      await page.click("main button");
      if (await page.locator("#password").isVisible().catch(() => false)) await enter(page, user);
      await heading(page, "Are you trying to sign in");
      await look(page, "confirm");
      await leadsOn(page, "confirmation");
      await heading(page, "Are you trying to sign in");
      await page.click("button[value=continue]");
      await heading(page, "You are signed in");
      await look(page, "done");
      await leadsOn(page, "the end of a device's sign-in");
    }
    device = await start();
    await page.goto(`${device.verification_uri}?otc=${device.user_code}`);
    must((await page.inputValue("#code")) === device.user_code, "otc is not read");
    await page.click("main button");
    await heading(page, "Are you trying to sign in");
    await page.click("button[value=cancel]");
    await heading(page, "Cancelled");
    await page.context().close();
  },

  async "a browser without cookies is told so"() {
    const profile = fs.mkdtempSync(path.join(os.tmpdir(), "profile-"));
    fs.mkdirSync(path.join(profile, "Default"));
    fs.writeFileSync(path.join(profile, "Default", "Preferences"), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }));
    const context = await chromium.launchPersistentContext(profile, { executablePath: binary, args: ["--no-sandbox"], ignoreHTTPSErrors: true });
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    for (const name of [user, user]) {
      await page.goto(authorize());
      await enter(page, name);
      await page.waitForSelector("[role=alert]");
      const said = await page.textContent("[role=alert]");
      must(/does not send cookies/.test(said), `the page says ${said}`);
    }
    await look(page, "no-cookies");
    await page.goto(`${origin}/common/oauth2/deviceauth`);
    await page.fill("#code", "CDFGHJKLM");
    await page.click("main button");
    await page.waitForSelector("[role=alert]");
    const said = await page.textContent("[role=alert]");
    must(/does not send cookies/.test(said), `the device page says ${said}`);
    await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  },

  async "errors lead on and speak plainly"() {
    const page = await person();
    for (const [name, address] of Object.entries({
      "unknown-client": authorize({ client_id: tenant }), "unregistered-redirect": authorize({ redirect_uri: "https://evil.test/" }),
      "stale-page": `${origin}/${tenant}/login?ctx=x`,
    })) {
      await page.goto(address);
      await look(page, name);
      must(!/flow token/.test(await page.textContent("body")), "flow token");
      await page.click("main a");
      await page.waitForLoadState();
      must(await page.locator("#password").isVisible(), `${name} leads to ${page.url()}`);
    }
    await page.context().close();
  },
};

try {
  for (const [name, check] of Object.entries(checks)) {
    running = name;
    results[name] = "";
    try {
      await check();
    } catch (err) {
      fault(String(err.stack).slice(0, 600));
    }
  }
  results["no policy was violated"] = violations.join("; ");
  console.log(JSON.stringify({ results, looked: [...looked] }));
} finally {
  await browser.close();
  app.server.close();
  other.server.close();
}

"use strict";
// Betters pages that are whole without it: files are dropped and sent with progress, results arrive
// by themselves, secrets are copied. Texts come from the page, in its language.

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function element(name, text = "", ...classes) {
  const made = document.createElement(name);
  made.textContent = text;
  made.classList.add(...classes);
  return made;
}

/* ---- what the page asks to be looked at first ---- */

function focusFirst() {
  const first = one("[data-focus]");
  if (first) first.focus();
}

/* ---- a result that isn't there yet ---- */

async function outcomeOf(place) {
  for (;;) {
    const began = Date.now();
    try {
      const answer = await fetch(`${place}/state`, { headers: { Accept: "application/json" } });
      if (answer.redirected || answer.status === 404) return null;
      if (answer.ok) {
        const told = await answer.json();
        if (!told.waiting) return told;
      }
    } catch {
      // The network is away for a moment: asked again below.
    }
    const rest = Math.max(1500 - (Date.now() - began), 300);
    await new Promise((resume) => setTimeout(resume, rest));
  }
}

async function reloadWhenTold(region) {
  await outcomeOf(region.dataset.waits.replace(/\/state$/, ""));
  location.reload();
}

/* ---- sending files ---- */

function fileLine(list, fileName) {
  const line = element("li");
  const name = element("span", fileName, "file-name");
  const bar = element("progress");
  const says = element("span", "", "file-says");
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", fileName);
  line.append(name, bar, says);
  list.append(line);
  return {
    sent(share) {
      bar.value = share;
    },
    rename(text) {
      name.textContent = text;
    },
    remove() {
      line.remove();
    },
    say(text, tone, href) {
      bar.hidden = true;
      const tag = element("span", text, "tag", tone);
      says.replaceChildren(tag);
      if (href) {
        const link = element("a", list.closest("main").querySelector("[data-send]").dataset.open);
        link.href = href;
        says.append(" ", link);
      }
    },
  };
}

function sendFile(form, file, line) {
  return new Promise((done) => {
    const body = new FormData();
    const picked = new FormData(form);
    for (const name of ["mode", "key"]) body.append(name, picked.get(name) ?? "");
    body.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", picked.get("csrf"));
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) line.sent(event.loaded / event.total);
    });
    request.addEventListener("load", () => done(request));
    request.addEventListener("error", () => done(request));
    request.send(body);
  });
}

async function tell(line, place, checking) {
  line.say(checking, "note", place);
  const told = await outcomeOf(place);
  if (told) line.say(told.text, told.tone, place);
  return told;
}

/* An archive of several: each is an upload with a verdict and a name of its own. One is asked after
   the other, as they are settled in that order and a browser keeps few questions open. */
async function tellEach(list, archive, places, checking) {
  const lines = places.map((_, n) => fileLine(list, `${archive} ${n + 1}/${places.length}`));
  lines.forEach((line, n) => line.say(checking, "note", places[n]));
  for (const [n, place] of places.entries()) {
    const told = await tell(lines[n], place, checking);
    if (told?.name) lines[n].rename(told.name);
  }
}

async function sendAll(form, section, files) {
  const says = form.dataset;
  const list = one("ul", section);
  section.hidden = false;
  const button = one("button", form);
  button.disabled = true;
  const following = [];
  let places = [];
  for (const file of files) {
    const line = fileLine(list, file.name);
    if (file.size > Number(says.most)) {
      line.say(says.tooLarge, "bad");
      continue;
    }
    const answer = await sendFile(form, file, line);
    if (answer.responseURL.includes("/sign-in")) {
      location.assign("/sign-in?next=/send");
      return;
    }
    if (answer.status !== 202) {
      line.say({ 413: says.tooLarge, 429: says.busy, 503: says.busy }[answer.status] ?? says.failed, "bad");
      continue;
    }
    const taken = answer.response;
    places = places.concat(taken.uploads);
    if (taken.uploads.length === 1) {
      following.push(tell(line, taken.uploads[0], says.checking));
    } else {
      line.remove();
      following.push(tellEach(list, file.name, taken.uploads, says.checking));
    }
  }
  button.disabled = false;
  one("input[type=file]", form).value = "";
  if (files.length === 1 && places.length === 1) location.assign(places[0]);
  await Promise.all(following);
}

function bindSending(form) {
  const section = one("[data-sent]");
  form.addEventListener("submit", (event) => {
    const files = [...one("input[type=file]", form).files];
    if (!files.length) return;
    event.preventDefault();
    sendAll(form, section, files);
  });
}

function bindDropping(area) {
  const input = one("input[type=file]", area);
  all(".with-script", area).forEach((text) => (text.hidden = false));
  for (const name of ["dragenter", "dragover"]) {
    area.addEventListener(name, (event) => {
      event.preventDefault();
      area.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    area.addEventListener(name, () => area.classList.remove("over"));
  }
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

/* ---- secrets that are shown once ---- */

function bindCopying(secret) {
  if (!navigator.clipboard) return;
  const english = document.documentElement.lang === "en";
  const button = element("button", english ? "Copy" : "複製", "quiet", "copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(secret.textContent);
    button.textContent = english ? "Copied" : "已複製";
  });
  secret.after(" ", button);
}

document.documentElement.classList.add("scripted");
focusFirst();
all("[data-waits]").forEach(reloadWhenTold);
all("[data-send]").forEach(bindSending);
all("[data-drop]").forEach(bindDropping);
all("[data-copy]").forEach(bindCopying);

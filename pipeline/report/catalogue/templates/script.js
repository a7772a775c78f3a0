"use strict";
(() => {
  const root = document.documentElement;
  const form = document.getElementById("search");
  const query = document.getElementById("q");
  const count = document.getElementById("count");
  const unfold = document.getElementById("unfold");
  const filters = [...form.querySelectorAll("[data-filter]")];
  const languages = [...document.querySelectorAll("#language button")];
  const entries = [...document.querySelectorAll(".entry")].map((node) => ({
    node,
    details: node.querySelector("details"),
    parts: [...node.querySelectorAll(".family")],
    words: textOf(node),
  }));
  const sections = [...document.querySelectorAll(".initial")];
  // FIELD:CODE as receipts write it, once or many times: M15:AA;D05[1]:AF;
  const findings = /^(?:[a-z]+[0-9]*(?:\[\d+\])?:[a-z]*\d*;?\s*)+$/i;
  const FEW = 3;

  function textOf(node) {
    const parts = node.querySelectorAll("h4, h5, .remedy, .reason, .insurer, .places, .rows, .id, .facts, .fields");
    return [node.id, node.dataset.fields, ...[...parts].map((part) => part.textContent)]
      .join(" ").replace(/\s+/g, " ").toLowerCase();
  }

  function matches(entry, asked) {
    const has = (name, value) => entry.node.dataset[name].split(" ").includes(value);
    if (!filters.every((f) => !f.value || has(f.dataset.filter, f.value))) return false;
    if (findings.test(asked)) {
      return [...asked.toUpperCase().matchAll(/([A-Z]+[0-9]*)(?:\[\d+\])?:([A-Z]*\d*)/g)]
        .some(([, field, code]) => code ? entry.node.id === code : has("fields", field));
    }
    return asked.toLowerCase().split(/\s+/).every((word) => entry.words.includes(word));
  }

  // Asked for M15:AA, an entry shows what it says of M15 only.
  function narrow(entry, asked) {
    const wanted = findings.test(asked) ? asked.toUpperCase().match(/[A-Z]+[0-9]*(?=(?:\[\d+\])?:)/g) : [];
    const concerns = (part) => part.dataset.fields.split(" ").some((field) => wanted.includes(field));
    const some = entry.parts.some(concerns);
    for (const part of entry.parts) part.hidden = some && !concerns(part);
  }

  function search() {
    const asked = query.value.trim();
    const exact = entries.find((entry) => entry.node.id === asked.toUpperCase());
    const narrowed = asked !== "" || filters.some((f) => f.value);
    const found = entries.filter((entry) => {
      const shown = exact && !filters.some((f) => f.value) ? entry === exact : matches(entry, asked);
      entry.node.hidden = !shown;
      narrow(entry, asked);
      return shown;
    });
    if (narrowed && found.length <= FEW) found.forEach((entry) => { entry.details.open = true; });
    for (const section of sections) section.hidden = !section.querySelector(".entry:not([hidden])");
    document.querySelector(".initials").hidden = narrowed;
    document.getElementById("nothing").hidden = found.length > 0;
    count.textContent = root.dataset.show === "en"
      ? `${found.length} ${found.length === 1 ? "code" : "codes"}`
      : `${found.length} 個代碼`;
  }

  function show(language) {
    root.dataset.show = language;
    root.lang = language === "en" ? "en" : "zh-Hant-TW";
    for (const button of languages) button.setAttribute("aria-pressed", button.dataset.show === language);
    for (const option of form.querySelectorAll("option")) option.textContent = option.dataset[language];
    try { localStorage.setItem("language", language); } catch { /* private window */ }
    search();
  }

  function remembered() {
    const asked = new URLSearchParams(location.search).get("lang");
    if (asked) return asked;
    try { return localStorage.getItem("language"); } catch { return null; }
  }

  // A link to a code or a rule shows it, whatever was searched for before.
  function follow() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const entry = entries.find(({ node }) => target && node.contains(target));
    if (!entry) return;
    if (entry.node.hidden) { form.reset(); search(); }
    entry.details.open = true;
    target.scrollIntoView();
  }

  function unfoldAll(open) {
    unfold.setAttribute("aria-pressed", open);
    for (const entry of entries) if (!entry.node.hidden || !open) entry.details.open = open;
  }

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = entries.filter(({ details }) => !details.open);
    for (const { details } of folded) details.open = true;
  });
  addEventListener("afterprint", () => { for (const { details } of folded) details.open = false; });
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => {
    const typing = /^(?:INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      query.focus();
    }
  });
  form.addEventListener("input", search);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(search));
  unfold.addEventListener("click", () => unfoldAll(unfold.getAttribute("aria-pressed") !== "true"));
  for (const button of languages) button.addEventListener("click", () => show(button.dataset.show));

  form.hidden = false;
  document.getElementById("language").hidden = false;
  const asked = new URLSearchParams(location.search).get("q");
  if (asked) query.value = asked;
  show(remembered() === "en" ? "en" : "zh");
  follow();
})();

// Runs before Gradio: its own texts follow the page's language, the theme is remembered, buttons play from their second,
// and every control has a name for those who do not see it.
"use strict";
(() => {
  const words = { send: "@@page.send@@", stop: "@@page.stop@@", keep: "@@page.keep@@", show: "@@page.show@@", sound: "@@page.sound@@" };
  for (const [name, value] of [["language", "@@lang@@"], ["languages", ["@@lang@@"]]])
    Object.defineProperty(navigator, name, { get: () => value, configurable: true });

  const kept = (() => { try { return localStorage.getItem("duomo-theme"); } catch { return null; } })();
  const url = new URL(location.href);
  if ((kept === "dark" || kept === "light") && !url.searchParams.has("__theme")) {
    url.searchParams.set("__theme", kept);
    history.replaceState(history.state, "", url);
  }

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target && target.closest("#duomo-theme")) {
      const dark = document.body.classList.toggle("dark");
      try { localStorage.setItem("duomo-theme", dark ? "dark" : "light"); } catch { /* not kept */ }
    }
    const button = target && target.closest("button[data-second]");
    const place = button && (button.closest(".timeline") || document.querySelector(".timeline.film"));
    const player = place && place.querySelector("audio, video");
    if (player) {
      player.currentTime = Number(button.dataset.second);
      player.play().catch(() => {});
    }
  });

  const nameless = (one) => !one.getAttribute("aria-label") && !one.getAttribute("title") && !(one.labels && [...one.labels].some((label) => label.textContent.trim()));
  const name = (one, text) => { if (text && nameless(one)) one.setAttribute("aria-label", text); };
  const heading = (one) => {
    const block = one.closest(".block");
    const label = block && block.querySelector("[data-testid=block-label], [data-testid=block-info], label");
    return label ? label.textContent.trim() : "";
  };
  const rules = [
    ["textarea, input:not([type=hidden])", (one) => one.placeholder || heading(one)],
    ["button.submit-button", () => words.send],
    ["button.stop-button", () => words.stop],
    ["a.download-link", () => words.keep],
    ["audio, video", (one) => heading(one) || words.sound],
    ["button:has(img)", (one) => (one.textContent.trim() ? "" : words.show)],
    ["img:not([alt])", (one) => heading(one) || words.show],
  ];
  const nameAll = () => { for (const [which, text] of rules) for (const one of document.querySelectorAll(which)) name(one, text(one)); };
  let waiting = false;
  const watch = () => new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; nameAll(); });
  }).observe(document.body, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", watch);

  // A sheet to draw on; what is drawn goes as a PNG into the text field behind it.
  const sheet = (event) => (event.target instanceof Element ? event.target.closest("canvas.sketch") : null);
  let last = null;
  const line = (canvas, event) => {
    const box = canvas.getBoundingClientRect(), pen = canvas.getContext("2d");
    const next = [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
    Object.assign(pen, { lineWidth: 20, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
    pen.beginPath(); pen.moveTo(...(last || next)); pen.lineTo(...next); pen.stroke();
    last = next;
  };
  const keep = (text) => {
    const field = document.querySelector("#duomo-ink textarea, #duomo-ink input");
    if (field) { field.value = text; field.dispatchEvent(new Event("input", { bubbles: true })); }
  };
  document.addEventListener("pointerdown", (event) => {
    const canvas = sheet(event);
    if (!canvas) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    last = null;
    line(canvas, event);
  });
  document.addEventListener("pointermove", (event) => { const canvas = sheet(event); if (canvas && last) line(canvas, event); });
  document.addEventListener("pointerup", (event) => {
    const canvas = sheet(event);
    if (canvas && last) { last = null; keep(canvas.toDataURL("image/png")); }
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[data-clear]") : null;
    if (!button) return;
    const canvas = button.parentElement.querySelector("canvas");
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    keep("");
  });
})();

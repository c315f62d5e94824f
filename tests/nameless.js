// Which controls, players and pictures have no name for those who do not see them; a function for the browser.
() => {
  const named = (e) => {
    const by = (e.getAttribute("aria-labelledby") || "").split(/\s+/).map((id) => document.getElementById(id)?.textContent || "").join("").trim();
    const own = (e.getAttribute("aria-label") || e.getAttribute("title") || e.getAttribute("alt") || "").trim();
    const labels = [...(e.labels || [])].map((l) => l.innerText || l.textContent).join("").trim();
    const text = /^(BUTTON|A|SUMMARY)$/.test(e.tagName) || e.getAttribute("role") ? e.textContent.trim() : "";
    return by || own || labels || text;
  };
  const all = document.querySelectorAll("input, textarea, select, button, a[href], audio, video, iframe, img, [role=button], [role=tab], [role=slider], [role=textbox]");
  return [...all].filter((e) => !(e.tagName === "INPUT" && e.type === "hidden") && !named(e) && !e.closest("[aria-hidden=true]") && !(e.tagName==="IMG" && e.getAttribute("alt")==="")).map((e) => e.outerHTML.slice(0, 200)+"  ∈ "+(e.parentElement?.outerHTML||"").slice(0,120));
}

"use strict";
const { nodes, edges, predicates, files, start } = JSON.parse(document.getElementById("data").textContent);
const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d"), search = document.getElementById("search");
const view = { x: 0, y: 0, zoom: 1 };
let chosen = null, held = null, pulled = null, heat = 1;

const near = nodes.map(() => []);
edges.forEach((edge, number) => { near[edge.s].push(number); if (edge.o !== edge.s) near[edge.o].push(number); });
nodes.forEach((node, number) => {  // a spiral, the best connected in its middle: the same picture every time
  const angle = number * 2.399963, far = 24 * Math.sqrt(number + 0.5);
  Object.assign(node, { x: far * Math.cos(angle), y: far * Math.sin(angle), dx: 0, dy: 0, r: 4 + 2.2 * Math.sqrt(near[number].length) });
});

function push() {
  for (let a = 0; a < nodes.length; a++) {
    for (let b = a + 1; b < nodes.length; b++) {
      const dx = nodes[a].x - nodes[b].x, dy = nodes[a].y - nodes[b].y, far = dx * dx + dy * dy + 20;
      if (far > 90000) continue;
      const force = 900 / far * heat, fx = dx * force / Math.sqrt(far), fy = dy * force / Math.sqrt(far);
      nodes[a].dx += fx; nodes[a].dy += fy; nodes[b].dx -= fx; nodes[b].dy -= fy;
    }
  }
}

function pull() {
  for (const { s, o } of edges) {
    const a = nodes[s], b = nodes[o], dx = b.x - a.x, dy = b.y - a.y, far = Math.hypot(dx, dy) || 1;
    const force = (far - 75) * 0.03 * heat, fx = dx / far * force, fy = dy / far * force;
    a.dx += fx; a.dy += fy; b.dx -= fx; b.dy -= fy;
  }
}

function step() {
  push(); pull();
  for (const node of nodes) {
    node.dx -= node.x * 0.0025 * heat; node.dy -= node.y * 0.0025 * heat;
    if (node !== held) { node.x += Math.max(-20, Math.min(20, node.dx)); node.y += Math.max(-20, Math.min(20, node.dy)); }
    node.dx *= 0.6; node.dy *= 0.6;
  }
  heat *= 0.99;
}

function fit() {
  const xs = nodes.map(n => n.x), ys = nodes.map(n => n.y), box = canvas.getBoundingClientRect();
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  view.zoom = Math.min(2.5, 0.88 * Math.min(box.width / (right - left + 90), box.height / (bottom - top + 60)));
  view.x = (left + right) / 2; view.y = (top + bottom) / 2;
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const speaks = () => document.getElementById("zh").checked ? 1 : 0;

function draw() {
  const box = canvas.getBoundingClientRect(), dense = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(box.width * dense) || canvas.height !== Math.round(box.height * dense)) {
    canvas.width = Math.round(box.width * dense); canvas.height = Math.round(box.height * dense);
  }
  const [ink, quiet, grid, main, paper] = ["--ink", "--quiet", "--grid", "--main", "--paper"].map(colour);
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  pen.translate(box.width / 2, box.height / 2); pen.scale(view.zoom, view.zoom); pen.translate(-view.x, -view.y);
  const lit = new Set(chosen === null ? [] : [chosen, ...near[chosen].flatMap(n => [edges[n].s, edges[n].o])]);
  const size = 12 / view.zoom;
  pen.font = `${size}px system-ui, "Noto Sans CJK SC", sans-serif`; pen.textAlign = "center";
  for (const edge of edges) {
    const a = nodes[edge.s], b = nodes[edge.o], on = edge.s === chosen || edge.o === chosen, angle = Math.atan2(b.y - a.y, b.x - a.x);
    pen.strokeStyle = pen.fillStyle = on ? main : grid; pen.lineWidth = (on ? 1.6 : 1) / view.zoom;
    const x = b.x - Math.cos(angle) * (b.r + 1), y = b.y - Math.sin(angle) * (b.r + 1), tip = 6 / Math.sqrt(view.zoom);
    pen.beginPath(); pen.moveTo(a.x, a.y); pen.lineTo(x, y); pen.stroke();
    pen.beginPath(); pen.moveTo(x, y);
    pen.lineTo(x - tip * Math.cos(angle - 0.4), y - tip * Math.sin(angle - 0.4)); pen.lineTo(x - tip * Math.cos(angle + 0.4), y - tip * Math.sin(angle + 0.4)); pen.fill();
    if (on) { pen.fillStyle = quiet; pen.fillText(predicates[edge.p][speaks()], (a.x + b.x) / 2, (a.y + b.y) / 2 - 3 / view.zoom); }
  }
  const taken = [];
  nodes.forEach((node, number) => {
    pen.globalAlpha = chosen === null || lit.has(number) ? 1 : 0.35;
    pen.beginPath(); pen.arc(node.x, node.y, node.r, 0, 7); pen.fillStyle = number === chosen ? main : quiet; pen.fill();
    const wide = pen.measureText(node.label).width / 2, at = [node.x - wide, node.y + node.r, node.x + wide, node.y + node.r + size * 1.25];
    const free = !taken.some(one => at[0] < one[2] && at[2] > one[0] && at[1] < one[3] && at[3] > one[1]);  // no name over another's
    if (lit.has(number) || free) {
      taken.push(at);
      pen.lineWidth = 3 / view.zoom; pen.strokeStyle = paper; pen.strokeText(node.label, node.x, at[3] - size * 0.25);
      pen.fillStyle = ink; pen.fillText(node.label, node.x, at[3] - size * 0.25);
    }
  });
  pen.globalAlpha = 1;
}

function element(name, text, parent, kind) {
  const made = document.createElement(name);
  made.textContent = text;  // never markup, whatever a text says
  if (kind) made.className = kind;
  parent.append(made);
  return made;
}

function tell() {
  const told = document.getElementById("told");
  told.replaceChildren();
  if (chosen === null) return;
  element("h2", nodes[chosen].label, told);
  if (nodes[chosen].kind) element("p", nodes[chosen].kind, told, "quiet");
  for (const number of near[chosen]) {
    const edge = edges[number], card = element("article", "", told);
    element("p", `${nodes[edge.s].label} — ${predicates[edge.p][speaks()]} — ${nodes[edge.o].label}`, card, "said");
    for (const [file, start, end, sentence] of edge.e) {
      element("blockquote", sentence, card);
      element("p", `${files[file]}, ${start}–${end}`, card, "quiet");
    }
    if (edge.more) element("p", `+ ${edge.more}`, card, "quiet");
    const other = edge.s === chosen ? edge.o : edge.s;
    element("button", `→ ${nodes[other].label}`, card).onclick = () => choose(other, true);
  }
}

function choose(number, centre) {
  chosen = number;
  if (centre) { view.x = nodes[number].x; view.y = nodes[number].y; view.zoom = Math.max(view.zoom, 1.1); }
  tell(); draw();
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left - box.width / 2) / view.zoom + view.x, (event.clientY - box.top - box.height / 2) / view.zoom + view.y];
}

function under(event) {
  const [x, y] = place(event);
  const found = nodes.map((node, n) => [Math.hypot(node.x - x, node.y - y) - node.r, n]).sort((a, b) => a[0] - b[0])[0];
  return found && found[0] < 6 / view.zoom ? found[1] : null;
}

function zoom(by) { view.zoom = Math.max(0.05, Math.min(8, view.zoom * by)); draw(); }

function run() { step(); draw(); if (heat > 0.05) requestAnimationFrame(run); }

canvas.onpointerdown = event => {
  const number = under(event);
  canvas.setPointerCapture(event.pointerId);
  held = number === null ? null : nodes[number];
  pulled = { x: event.clientX, y: event.clientY, moved: false, number };
};
canvas.onpointermove = event => {
  if (!pulled) { canvas.style.cursor = under(event) === null ? "grab" : "pointer"; return; }
  const dx = event.clientX - pulled.x, dy = event.clientY - pulled.y;
  if (!pulled.moved && Math.hypot(dx, dy) < 4) return;
  pulled.moved = true;
  if (held) { [held.x, held.y] = place(event); if (heat <= 0.05) { heat = 0.3; run(); } heat = Math.max(heat, 0.3); }
  else { view.x -= dx / view.zoom; view.y -= dy / view.zoom; }
  pulled.x = event.clientX; pulled.y = event.clientY;
  draw();
};
canvas.onpointerup = () => { if (pulled && !pulled.moved) { chosen = pulled.number; tell(); draw(); } held = pulled = null; };
canvas.onwheel = event => {
  event.preventDefault();
  const before = place(event);
  zoom(Math.exp(-event.deltaY * 0.0015));
  const after = place(event);
  view.x += before[0] - after[0]; view.y += before[1] - after[1];
  draw();
};
search.oninput = () => {
  const found = document.getElementById("found"), word = search.value.trim().toLowerCase();
  found.replaceChildren();
  if (!word) return;
  nodes.map((node, n) => [node, n]).filter(([node]) => node.label.toLowerCase().includes(word)).slice(0, 20)
    .forEach(([node, n]) => { element("button", node.label, found).onclick = () => choose(n, true); });
};
search.onkeydown = event => { if (event.key === "Enter") document.querySelector("#found button")?.click(); };
document.getElementById("in").onclick = () => zoom(1.3);
document.getElementById("out").onclick = () => zoom(1 / 1.3);
document.getElementById("all").onclick = () => { fit(); draw(); };
document.querySelectorAll("fieldset input").forEach(input => { input.onchange = () => { tell(); draw(); }; });
window.onresize = draw;

for (let n = 0; n < 250; n++) step();
heat = 0;
fit();
if (start !== null) choose(start, false); else draw();

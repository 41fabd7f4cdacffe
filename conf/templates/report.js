"use strict";
// The map: what a point shows on hover, by arrow keys, and which classes are switched on. Works without: the map stays visible.
(() => {
  const map = document.getElementById("photo-map");
  if (!map) return;
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const tip = document.getElementById("map-tip");
  const picture = tip.querySelector(".tip-photo");
  const title = tip.querySelector("strong");
  const line = tip.querySelector("span");
  const marks = new Map();
  for (const mark of map.querySelectorAll("[data-n]")) marks.set(Number(mark.dataset.n), mark);
  const order = [...marks.keys()].sort((a, b) => a - b);
  let current = null;

  const shown = (mark) => !mark.parentNode.classList.contains("off");

  function select(n) {
    if (current !== null) marks.get(current).classList.remove("current");
    current = n;
    if (n === null) { tip.hidden = true; return; }
    const [label, severity, claim, photo, place] = data.points[n];
    const mark = marks.get(n);
    mark.classList.add("current");
    title.textContent = label + (severity ? ", " + severity : "");
    line.textContent = (claim ? "Claim " + claim + " · " : "") + "photo " + photo;
    if (place >= 0 && data.sheet) {
      const zoom = 2;
      picture.hidden = false;
      picture.style.width = picture.style.height = data.tile * zoom + "px";
      picture.style.backgroundImage = "url(" + data.sheet + ")";
      picture.style.backgroundSize = data.columns * data.tile * zoom + "px auto";
      picture.style.backgroundPosition =
        -(place % data.columns) * data.tile * zoom + "px " + -Math.floor(place / data.columns) * data.tile * zoom + "px";
    } else {
      picture.hidden = true;
    }
    tip.hidden = false;
    const frame = map.parentNode.getBoundingClientRect();
    const at = mark.getBoundingClientRect();
    const x = at.left + at.width / 2 - frame.left;
    const y = at.top + at.height / 2 - frame.top;
    const left = x + 16 + tip.offsetWidth > frame.width ? x - 16 - tip.offsetWidth : x + 16;
    const top = Math.min(Math.max(0, y - tip.offsetHeight / 2), frame.height - tip.offsetHeight);
    tip.style.left = Math.max(0, left) + "px";
    tip.style.top = Math.max(0, top) + "px";
  }

  map.addEventListener("pointerover", (event) => {
    const mark = event.target.closest("[data-n]");
    if (mark) select(Number(mark.dataset.n));
  });
  map.addEventListener("pointerleave", () => select(null));
  map.addEventListener("blur", () => select(null));
  map.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") select(null);
    if (!step) return;
    event.preventDefault();
    const visible = order.filter((n) => shown(marks.get(n)));
    if (!visible.length) return;
    const at = visible.indexOf(current);
    select(visible[at < 0 ? 0 : (at + step + visible.length) % visible.length]);
  });
  for (const box of document.querySelectorAll("[data-class]")) {
    box.addEventListener("change", () => {
      document.getElementById("points-" + box.dataset.class).classList.toggle("off", !box.checked);
      select(null);
    });
  }
})();

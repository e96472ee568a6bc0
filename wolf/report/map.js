"use strict";
// The map names the point that is nearest to the pointer. `spots()` are [id, x, y, words]; `choose(id)` is a click.
function nameSpots(plot, spots, choose) {
  const svg = plot.querySelector("svg"), tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  plot.append(tip);
  let near;
  plot.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let least = 400;
    near = undefined;
    for (const spot of spots()) {
      const far = (spot[1] - x) ** 2 + (spot[2] - y) ** 2;
      if (far < least) { least = far; near = spot; }
    }
    tip.hidden = !near;
    if (!near) return;
    tip.textContent = `${near[0]} · ${near[3]}`;
    tip.style.left = `${near[1] / scale}px`;
    tip.style.top = `${near[2] / scale}px`;
  });
  plot.addEventListener("pointerleave", () => { tip.hidden = true; });
  plot.addEventListener("click", () => { if (near) choose(near[0]); });
}

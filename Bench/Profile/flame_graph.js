// Zoom and search. flame_graph.py puts its numbers in for the words in capitals.
"use strict";

const frames = [...document.querySelectorAll(".frame")].map((element) => ({
  element,
  rectangle: element.querySelector("rect"),
  text: element.querySelector("text"),
  hint: element.querySelector("title").textContent,
  x: Number(element.dataset.x),
  width: Number(element.dataset.width),
  row: Number(element.dataset.row),
}));
// What is drawn as equal may differ by how the numbers were rounded.
const tolerance = 1e-5;

function fitted(name, width) {
  const characters = Math.floor((width - 6) / CHARACTER);
  if (name.length <= characters) return name;
  return characters > 3 ? name.slice(0, characters - 1) + "…" : "";
}

function isWithin(inner, outer) {
  return inner.x >= outer.x - tolerance && inner.x + inner.width <= outer.x + outer.width + tolerance;
}

// Makes `shown` as wide as the picture, with its callers below it and its callees above.
function zoom(shown) {
  for (const frame of frames) {
    const isCaller = frame.row < shown.row && isWithin(shown, frame);
    const isVisible = isCaller || (frame.row >= shown.row && isWithin(frame, shown));
    frame.element.style.display = isVisible ? "" : "none";
    if (!isVisible) continue;
    const x = MARGIN + (isCaller ? 0 : ((frame.x - shown.x) / shown.width) * WIDTH);
    const width = isCaller ? WIDTH : (frame.width / shown.width) * WIDTH;
    frame.element.style.opacity = isCaller ? 0.5 : 1;
    frame.rectangle.setAttribute("x", x);
    frame.rectangle.setAttribute("width", width);
    frame.text.setAttribute("x", x + 3);
    frame.text.textContent = fitted(frame.hint.replace(/(?: \[[^\]]*\])?: [^:]*$/, ""), width);
  }
}

// Marks the functions whose name or module holds `text`, and says how much of the time they have together.
function search(text) {
  let share = 0;
  const found = [];
  for (const frame of frames) {
    const isFound = text !== "" && frame.hint.toLowerCase().includes(text.toLowerCase());
    frame.element.classList.toggle("found", isFound);
    if (!isFound) continue;
    // One that stands on another is counted with it.
    if (!found.some((below) => below.row < frame.row && isWithin(frame, below))) share += frame.width;
    found.push(frame);
  }
  document.getElementById("found").textContent = text === "" ? "" : `· ${text}: ${(100 * share).toFixed(1)} %`;
}

for (const frame of frames) frame.element.addEventListener("click", () => zoom(frame));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    zoom(frames[0]);
    search("");
  } else if (event.key === "/") {
    event.preventDefault();
    search(prompt("Part of a function's or module's name:") ?? "");
  }
});

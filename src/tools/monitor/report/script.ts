/**
 * The script of a report. It shows the entry of a mark in a tooltip, and the arrow keys move from mark to mark. It
 * clones nodes of the page and never parses text as HTML.
 */

export const SCRIPT = `
"use strict";
const tip = document.querySelector(".tip");
const marks = [...document.querySelectorAll("a.mark")];
const at = (mark) => mark.getBoundingClientRect();
marks.sort((a, b) => at(a).left - at(b).left || at(a).top - at(b).top);
const show = (mark) => {
  const item = document.getElementById(mark.getAttribute("href").slice(1));
  if (!item) return;
  const what = document.createElement("p");
  what.className = "what";
  what.textContent = mark.getAttribute("aria-label");
  tip.replaceChildren(what, ...[...item.children].map((child) => child.cloneNode(true)));
  tip.hidden = false;
  const box = at(mark);
  const x = Math.max(0, box.left) + Math.min(box.width, innerWidth) / 2;
  const left = Math.max(12, Math.min(x - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 12));
  const below = box.bottom + 10;
  const above = box.top - 10 - tip.offsetHeight;
  tip.style.left = left + "px";
  tip.style.top = (below + tip.offsetHeight > innerHeight && above > 0 ? above : below) + "px";
};
const hide = () => { tip.hidden = true; };
const focus = (mark) => {
  for (const other of marks) other.setAttribute("tabindex", other === mark ? "0" : "-1");
};
if (marks[0]) focus(marks[0]);
marks.forEach((mark, i) => {
  mark.addEventListener("pointerenter", () => show(mark));
  mark.addEventListener("pointerleave", hide);
  mark.addEventListener("focus", () => { focus(mark); show(mark); });
  mark.addEventListener("blur", hide);
  mark.addEventListener("keydown", (event) => {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: marks.length - 1 }[event.key];
    if (event.key === "Escape") hide();
    if (to === undefined) return;
    event.preventDefault();
    if (marks[to]) marks[to].focus();
  });
});
addEventListener("scroll", hide, { passive: true });
`;

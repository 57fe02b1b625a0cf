// Shows one state at a time. Without this script the page lists all of them.
(function () {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const states = Array.from(document.querySelectorAll(".state"));
  const ticks = Array.from(document.querySelectorAll(".ticks a"));
  const bands = Array.from(document.querySelectorAll(".hw-band"));
  const lines = Array.from(document.querySelectorAll(".hw-message-line"));
  const end = states.length - 1;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let now = -1;

  function wanted() {
    const match = /^#step-(\d+)$/.exec(window.location.hash);
    return match ? Math.min(Number(match[1]), end) : null;
  }

  // Brings the rows of the state at hand into view, and moves nothing where they are in view already.
  function reveal(rows) {
    if (rows.length === 0) return;
    const top = rows[0].getBoundingClientRect().top;
    const bottom = rows[rows.length - 1].getBoundingClientRect().bottom;
    if (top >= 0 && bottom <= window.innerHeight) return;
    const middle = (top + bottom) / 2 - window.innerHeight / 2;
    window.scrollBy({ top: middle, behavior: calm ? "auto" : "smooth" });
  }

  function show(state, scroll) {
    state = Math.max(0, Math.min(end, state));
    if (state === now) return;
    now = state;
    const is = (value) => value !== null && Number(value) === state;
    states.forEach((section, index) => section.classList.toggle("current", index === state));
    ticks.forEach((tick, index) => {
      tick.classList.toggle("current", index === state);
      if (index === state) tick.setAttribute("aria-current", "step");
      else tick.removeAttribute("aria-current");
    });
    bands.forEach((band) => band.classList.toggle("current", is(band.getAttribute("data-state"))));
    lines.forEach((line) => {
      const here = is(line.getAttribute("data-sent")) || is(line.getAttribute("data-ended"));
      line.classList.toggle("current", here && state > 0);
    });
    byId("position").textContent = state === 0 ? "Start, " + end + (end === 1 ? " step" : " steps") + " ahead"
      : "Step " + state + " of " + end;
    byId("first").disabled = byId("back").disabled = state === 0;
    byId("last").disabled = byId("forward").disabled = state === end;
    byId("panel").scrollTop = 0;
    if (scroll) {
      window.history.replaceState(null, "", "#step-" + state);
      if (window.matchMedia("(min-width: 1081px)").matches) reveal(bands.filter((band) => band.classList.contains("current")));
    }
  }

  document.documentElement.classList.add("js");
  ["buttons", "help"].forEach((id) => { byId(id).hidden = false; });
  byId("first").addEventListener("click", () => show(0, true));
  byId("back").addEventListener("click", () => show(now - 1, true));
  byId("forward").addEventListener("click", () => show(now + 1, true));
  byId("last").addEventListener("click", () => show(end, true));
  byId("diagram").addEventListener("click", (event) => {
    const band = event.target.closest(".hw-band");
    if (band) show(Number(band.getAttribute("data-state")), true);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#step-"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(Number(link.getAttribute("href").slice(6)), true);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const steps = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: end };
    if (!Object.hasOwn(steps, event.key)) return;
    event.preventDefault();
    show(steps[event.key], true);
  });
  window.addEventListener("hashchange", () => { const state = wanted(); if (state !== null) show(state, true); });

  const copy = byId("copy");
  if (copy) {
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      const code = byId("command");
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch (_) {
        window.getSelection().selectAllChildren(code);
        document.execCommand("copy");
      }
      copy.textContent = "Copied";
      window.setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
  }
  const first = wanted();
  show(first === null ? 0 : first, first !== null);
})();

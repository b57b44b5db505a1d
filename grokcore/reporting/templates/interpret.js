"use strict";
(() => {
  const {steps, shades, middle, grids, fewest, curves, cursor} = JSON.parse(document.getElementById("interpret-data").textContent);
  const toggles = JSON.parse(document.getElementById("chart-data").textContent).toggles;
  const model = (id) => Bokeh.documents.map((doc) => doc.get_model_by_id(id)).find((found) => found != null);
  const tables = Object.keys(grids).map((id) => document.getElementById(id)).filter((table) => table !== null);
  const slider = document.getElementById("inside-step");
  const chosen = () => document.querySelector("input[name=inside-split]:checked")?.value ?? "";
  const ready = () => document.documentElement.dataset.charts === "drawn";
  const frameOf = (grid) => grid.frames[chosen()] ?? grid.frames[""];
  const at = () => (slider === null ? steps.length - 1 : Number(slider.value));

  const fixed = (value, digits) => (value === null ? "–" : value.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1"));
  const share = (grid, value) => Math.min(1, Math.max(-1, (value - grid.neutral) / grid.span));

  const countOf = (frame, step, cell) => {
    const n = frame?.n?.[step];
    return (Array.isArray(n) ? n[cell] : n) ?? 0;
  };
  const isFew = (frame, step, cell) => countOf(frame, step, cell) > 0 && countOf(frame, step, cell) < fewest;

  // Interval, numbers beside, n: what belongs to a number wherever it is pointed at.
  const told = (grid, frame, step, cell) => {
    const digits = Math.max(2, grid.digits);
    const parts = [];
    if (frame.l?.[step][cell] != null) {
      parts.push(`${grid.interval} [${fixed(frame.l[step][cell], digits)}, ${fixed(frame.u[step][cell], digits)}]`);
    }
    grid.beside.forEach((label, place) => {
      const value = frame.b?.[place][step][cell] ?? null;
      if (value !== null) {
        parts.push(`${label} ${fixed(value, digits)}`);
      }
    });
    const count = countOf(frame, step, cell);
    if (count) {
      parts.push(grid.counted.replace("{}", count.toLocaleString("en")));
    }
    if (frame.t?.[step][cell]) {
      parts.push(frame.t[step][cell]);
    }
    return parts;
  };

  const paint = (table) => {
    const grid = grids[table.id];
    const frame = frameOf(grid);
    table.closest(".map").hidden = frame === undefined;
    const count = frame?.n?.[at()];
    table.querySelector(".count").textContent = count && !Array.isArray(count) ? grid.counted.replace("{}", count.toLocaleString("en")) : "";
    for (const part of frame === undefined ? [] : table.querySelectorAll("td[data-cell]")) {
      const cell = Number(part.dataset.cell);
      const value = frame.v[at()][cell];
      const text = value === null ? "" : fixed(value, grid.digits);
      if (grid.bars) {
        part.style.setProperty("--height", `${value === null ? 0 : 100 * Math.abs(share(grid, value))}%`);
        part.querySelector(".unseen").textContent = text;
        continue;
      }
      const [color, ink] = value === null ? ["", ""] : shades[Math.floor(share(grid, value) * middle + 0.5) + middle];
      part.style.background = color;
      part.style.color = ink;
      part.textContent = text;
      const lower = frame.l?.[at()][cell] ?? null;
      part.classList.toggle("open", value !== null && lower !== null && lower <= grid.neutral && grid.neutral <= frame.u[at()][cell]);
    }
  };

  // A chart's lines are cells of a grid: a split is chosen once for both.
  const draw = ({grid: id, lines}) => {
    const grid = grids[id];
    const frame = frameOf(grid);
    const source = model(toggles[lines[0].toggle][0]).data_source;
    const columns = {...source.data};
    let isEmpty = true;
    for (const {cell, toggle} of lines) {
      const values = steps.map((_, step) => (isFew(frame, step, cell) ? null : frame?.v[step][cell] ?? null));
      columns[`c${cell}`] = values.map((value) => value ?? NaN);
      columns[`t${cell}`] = values.map((value, step) =>
        value === null ? "" : [fixed(value, Math.max(2, grid.digits)), ...told(grid, frame, step, cell)].join(" · "));
      const isShown = values.some((value) => value !== null);
      toggles[toggle].forEach((one) => { model(one).visible = isShown; });
      const entry = document.querySelector(`[data-line="${toggle}"]`);
      entry.hidden = !isShown;
      isEmpty &&= !isShown;
    }
    source.data = columns;
    document.querySelector(`[data-line="${lines[0].toggle}"]`).closest(".curves").hidden = isEmpty;
  };

  const note = document.createElement("div");
  note.className = "map-note";
  note.setAttribute("role", "tooltip");
  note.id = "inside-note";
  note.hidden = true;
  document.body.append(note);
  let pointed = null;
  const tell = () => {
    if (pointed === null) {
      note.hidden = true;
      return;
    }
    const table = pointed.closest("table");
    const grid = grids[table.id];
    const frame = frameOf(grid);
    const cell = Number(pointed.dataset.cell);
    const value = frame?.v[at()][cell] ?? null;
    if (value === null) {
      note.hidden = true;
      return;
    }
    const head = `${grid.title} · ${grid.cells[cell]}`;
    note.textContent = [head, `${grid.metric} ${fixed(value, Math.max(2, grid.digits))}`, ...told(grid, frame, at(), cell)].join("\n");
    note.hidden = false;
    const box = pointed.getBoundingClientRect();
    const left = Math.min(box.left, document.documentElement.clientWidth - note.offsetWidth - 8);
    const above = box.top - note.offsetHeight - 6;
    note.style.left = `${Math.max(4, left) + window.scrollX}px`;
    note.style.top = `${(above < 4 ? box.bottom + 6 : above) + window.scrollY}px`;
  };
  const point = (cell) => {
    pointed?.removeAttribute("aria-describedby");
    pointed = cell;
    pointed?.setAttribute("aria-describedby", note.id);
    tell();
  };

  // One stop of the Tab key for each map; arrows move within it.
  const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
  for (const table of tables) {
    const rows = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("td[data-cell]")]);
    rows.flat().forEach((cell, number) => {
      cell.tabIndex = number === 0 ? 0 : -1;
      cell.addEventListener("mouseenter", () => point(cell));
      cell.addEventListener("mouseleave", () => point(null));
      cell.addEventListener("focus", () => point(cell));
      cell.addEventListener("blur", () => point(null));
    });
    table.addEventListener("keydown", (event) => {
      const row = rows.findIndex((cells) => cells.includes(event.target));
      if (event.key === "Escape") {
        point(null);
      } else if (event.key in moves && row >= 0) {
        const [down, right] = moves[event.key];
        const next = rows[row + down]?.[rows[row].indexOf(event.target) + right];
        if (next !== undefined) {
          event.preventDefault();
          event.target.tabIndex = -1;
          next.tabIndex = 0;
          next.focus();
        }
      }
    });
  }

  const show = () => {
    if (slider !== null) {
      slider.setAttribute("aria-valuetext", `step ${steps[at()]}`);
      document.getElementById("inside-at").textContent = steps[at()];
    }
    tables.forEach(paint);
    for (const part of document.querySelectorAll("[data-split]")) {
      part.hidden = part.dataset.split !== chosen();
    }
    tell();
    if (ready() && cursor) {
      toggles[cursor.toggle].forEach((one) => { model(one).location = cursor.places[at()]; });
    }
  };
  const go = (step) => {
    slider.value = String(step);
    show();
  };

  if (slider !== null) {
    slider.addEventListener("input", show);
    for (const button of document.querySelectorAll("button[data-step]")) {
      button.addEventListener("click", () => go(Number(button.dataset.step)));
    }
    const play = document.getElementById("inside-play");
    play.disabled = steps.length < 2;
    let running = null;
    const stop = () => {
      clearInterval(running);
      running = null;
      play.textContent = "play";
    };
    play.addEventListener("click", () => {
      if (running !== null) {
        stop();
        return;
      }
      play.textContent = "stop";
      go(at() === steps.length - 1 ? 0 : at());
      running = setInterval(() => {
        go(at() + 1);
        if (at() === steps.length - 1) {
          stop();
        }
      }, 600);
    });
  }
  const drawAll = () => curves.forEach(draw);
  for (const choice of document.querySelectorAll("input[name=inside-split]")) {
    choice.addEventListener("change", () => {
      show();
      drawAll();
    });
  }
  for (const part of document.querySelectorAll(".steer")) {
    part.hidden = false;
  }
  show();
  // The charts may be there before this script or after it.
  if (ready()) {
    drawAll();
  } else {
    const observer = new MutationObserver(() => {
      observer.disconnect();
      drawAll();
    });
    observer.observe(document.documentElement, {attributes: true, attributeFilter: ["data-charts"]});
  }
})();

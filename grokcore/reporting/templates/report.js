"use strict";
(() => {
  const {documents, items, toggles} = JSON.parse(document.getElementById("chart-data").textContent);

  Bokeh.set_log_level("warn");
  const drawn = Bokeh.embed.embed_items(documents, items);
  const model = (id) => Bokeh.documents.map((doc) => doc.get_model_by_id(id)).find((found) => found != null);

  // A model may belong to several buttons, as a band of one group does: it shows while all of them are on.
  const owners = new Map();
  toggles.forEach((ids, number) => ids.forEach((id) => owners.set(id, [...(owners.get(id) ?? []), number])));
  const buttons = [...document.querySelectorAll("button[data-toggle], button[data-shows]")];
  const isOn = (button) => button?.getAttribute("aria-pressed") !== "false";
  const isShown = (id) => owners.get(id).every((number) => isOn(buttons.find((one) => one.dataset.toggle === String(number))));

  const show = (button, visible) => {
    button.setAttribute("aria-pressed", String(visible));
    for (const id of toggles[Number(button.dataset.toggle)] ?? []) {
      model(id).visible = isShown(id);
    }
    for (const part of document.querySelectorAll(`[data-part="${button.dataset.shows}"]`)) {
      part.hidden = !visible;
    }
  };

  // On paper nothing can be unfolded.
  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) {
      folded.open = true;
    }
  });

  Promise.resolve(drawn).then(() => {
    for (const button of buttons) {
      button.disabled = false;
      button.addEventListener("click", () => show(button, !isOn(button)));
      if (!isOn(button)) {
        show(button, false);
      }
    }
    for (const all of document.querySelectorAll("button[data-all]")) {
      all.disabled = false;
      const together = buttons.filter((button) => button.closest("fieldset") === all.closest("fieldset"));
      all.addEventListener("click", () => together.forEach((button) => show(button, all.dataset.all === "show")));
    }
    document.documentElement.dataset.charts = "drawn";
  });
})();

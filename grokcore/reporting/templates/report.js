"use strict";
(() => {
  const {documents, items, toggles} = JSON.parse(document.getElementById("chart-data").textContent);

  Bokeh.set_log_level("warn");
  const drawn = Bokeh.embed.embed_items(documents, items);
  const model = (id) => Bokeh.documents.map((doc) => doc.get_model_by_id(id)).find((found) => found != null);

  const show = (button, visible) => {
    button.setAttribute("aria-pressed", String(visible));
    for (const id of toggles[Number(button.dataset.toggle)] ?? []) {
      model(id).visible = visible;
    }
  };

  Promise.resolve(drawn).then(() => {
    const buttons = [...document.querySelectorAll("button[data-toggle]")];
    for (const button of buttons) {
      button.disabled = false;
      button.addEventListener("click", () => show(button, button.getAttribute("aria-pressed") !== "true"));
    }
    for (const all of document.querySelectorAll("button[data-all]")) {
      all.disabled = false;
      all.addEventListener("click", () => buttons.forEach((button) => show(button, all.dataset.all === "show")));
    }
    document.documentElement.dataset.charts = "drawn";
  });
})();

"use strict";

// The faces as cards, and the filters. Text from the data goes into textContent and attributes only.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const address = (index) => `data:image/jpeg;base64,${data.pictures[index]}`;
  const plain = (text) => text.normalize("NFC").toLowerCase();
  const isPressed = (button) => button.getAttribute("aria-pressed") === "true";

  // Everything that can be chosen on a card: its edits, then the reconstruction.
  const viewsOf = (face) => [
    ...face.views.map((view, index) => ({ ...view, label: data.edits[index] })),
    { ...face.reconstruction, status: "ok", reason: "", label: "reconstruction", short: "recon." },
  ];

  // At most seven small pictures in a line, the lines about equally long.
  const columnsFor = (count) => Math.max(4, Math.ceil(count / Math.ceil(count / 7)));

  class Card {
    constructor(face, number) {
      this.face = face;
      this.text = plain(`${face.key} ${face.sample}`);
      this.views = viewsOf(face);
      this.node = byId("card").content.firstElementChild.cloneNode(true);
      this.stage = this.find(".stage");
      this.range = this.find(".compare");
      this.switch = this.find(".mask-switch");
      this.find(".photo").src = address(face.photo);
      this.find(".photo").alt = `Photo: ${face.key}`;
      this.find("h3 bdi").textContent = face.key;
      this.find(".which").textContent = `face ${face.face} of ${face.of} · sample ${face.sample.slice(0, 8)}`;
      this.find(".which").title = `sample ${face.sample}`;
      this.node.setAttribute("aria-label", `${face.key}, face ${face.face} of ${face.of}`);
      this.find(".views").style.setProperty("--columns", columnsFor(this.views.length));
      this.radios = this.views.map((view, index) => this.addRadio(view, index, number));
      this.range.addEventListener("input", () => this.cut());
      this.switch.addEventListener("click", () => this.showMask(!isPressed(this.switch)));
      this.listenToPointer();
      this.cut();
      this.select(Math.max(0, this.views.findIndex((view) => view.result !== null)));
    }

    find(selector) {
      return this.node.querySelector(selector);
    }

    addRadio(view, index, number) {
      const label = byId("view").content.firstElementChild.cloneNode(true);
      const radio = label.querySelector("input");
      const picture = view.result === null ? this.face.photo : view.result;
      radio.name = `view-${number}`;
      radio.addEventListener("change", () => this.select(index));
      label.querySelector("img").src = address(picture);
      label.querySelector(".label").textContent = view.short ?? view.label;
      label.title = view.status === "ok" ? view.label : `${view.label}: ${view.status}`;
      label.classList.toggle("lacking", view.status !== "ok");
      this.find(".views").append(label);
      return radio;
    }

    // A mouse moves the cut at once; a finger only when it moves sideways or taps, so that scrolling changes nothing.
    listenToPointer() {
      const move = (event) => {
        const box = this.stage.getBoundingClientRect();
        this.range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
        this.cut();
      };
      let held = null;
      this.stage.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || event.target.closest("button, .reason") || this.range.disabled) return;
        held = event.pointerId;
        this.stage.setPointerCapture(held);
        if (event.pointerType === "mouse") move(event);
      });
      this.stage.addEventListener("pointermove", (event) => event.pointerId === held && move(event));
      this.stage.addEventListener("pointerup", (event) => {
        if (event.pointerId === held) move(event);
        held = null;
      });
      this.stage.addEventListener("pointercancel", () => (held = null));
    }

    cut() {
      const share = Number(this.range.value);
      this.stage.style.setProperty("--cut", `${share}%`);
      this.stage.classList.toggle("no-left", share < 20);
      this.stage.classList.toggle("no-right", share > 80);
      this.range.setAttribute("aria-valuetext", `${share} % photo`);
    }

    select(index) {
      const view = this.views[index];
      const lacking = view.result === null;
      this.chosen = index;
      this.radios[index].checked = true;
      const result = this.find(".result");
      if (!lacking) result.src = address(view.result);
      result.alt = lacking ? "" : `${view.label}: ${this.face.key}`;
      for (const part of [result, this.find(".handle"), this.find(".right"), this.range]) part.hidden = lacking;
      this.range.disabled = lacking;
      this.stage.classList.toggle("single", lacking);
      this.find(".right").textContent = view.label;
      this.range.setAttribute("aria-label", `Photo on the left, ${view.label} on the right: ${this.face.key}`);
      this.find(".reason").hidden = !lacking;
      this.find(".reason").textContent =
        `${view.label}: ${view.status === "ok" ? "no preview" : view.status}` + (view.reason ? ` – ${view.reason}` : "");
      this.switch.hidden = view.mask === null;
      this.switch.setAttribute("aria-label", `Mask of ${view.label}: ${this.face.key}`);
      const mask = this.find(".mask");
      if (view.mask !== null) mask.style.setProperty("--picture", `url("${address(view.mask)}")`);
      this.showMask(isPressed(this.switch));
      this.find(".numbers").replaceChildren(...view.numbers.map(([name, value]) => number(name, value)));
    }

    showMask(on) {
      this.switch.setAttribute("aria-pressed", on);
      this.find(".mask").hidden = !on || this.views[this.chosen].mask === null;
    }

    // Shows the card if one of its edits fits, and that edit on it.
    filter({ text, status, edit }) {
      const fits = (view, index) => (!status || view.status === status) && (edit === null || edit === index);
      const edits = this.views.slice(0, -1);
      const found = edits.findIndex(fits);
      this.node.hidden = found < 0 || !this.text.includes(text);
      const keeps = fits(this.views[this.chosen], edit === null || this.chosen < edits.length ? this.chosen : null);
      if (!this.node.hidden && !keeps) this.select(found);
      return !this.node.hidden;
    }
  }

  function number(name, value) {
    const pair = document.createElement("div");
    pair.append(document.createElement("dt"), document.createElement("dd"));
    pair.firstChild.textContent = name;
    pair.lastChild.textContent = value;
    return pair;
  }

  const cards = data.faces.map((face, index) => new Card(face, index));
  const lines = [...document.querySelectorAll(".failures tbody tr")].map((node) => ({
    node,
    text: plain(`${node.cells[0].textContent} ${node.dataset.sample}`),
    edits: node.dataset.edits.split(" "),
  }));
  const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

  function filter() {
    const [text, status, edit] = [plain(byId("find").value.trim()), chosen("status"), chosen("edit")];
    const wanted = { text, status, edit: edit === "" ? null : Number(edit) };
    const shown = cards.filter((card) => card.filter(wanted)).length;
    for (const line of lines)
      line.node.hidden =
        !line.text.includes(text) ||
        (status !== "" && line.node.dataset.status !== status) ||
        (edit !== "" && !line.edits.includes(edit));
    byId("count").textContent = cards.length ? `${shown} of ${cards.length} ${cards.length === 1 ? "face" : "faces"}` : "";
    byId("no-face").hidden = shown > 0 || !cards.length;
    byId("no-failure").hidden = lines.some((line) => !line.node.hidden) || !lines.length;
  }

  function showMasks(on) {
    byId("all-masks").setAttribute("aria-pressed", on);
    for (const card of cards) card.showMask(on);
  }

  byId("grid").append(...cards.map((card) => card.node));
  byId("tools").hidden = !cards.length && !lines.length;
  for (const part of document.querySelectorAll(".for-faces")) part.hidden = !cards.length;
  byId("tools").addEventListener("input", filter);
  byId("all-masks").addEventListener("click", () => showMasks(!isPressed(byId("all-masks"))));
  byId("opacity").addEventListener("input", (event) =>
    document.documentElement.style.setProperty("--mask-opacity", event.target.value / 100),
  );
  filter();
})();

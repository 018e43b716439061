// Shows the parts of a form that its choices call for: data-when="kind=advice basis=anonymous" holds for either.
export function start() {
  for (const form of document.querySelectorAll("form[data-parts]")) {
    const holds = (one) => {
      const [name, value] = one.split("=");
      return form.elements[name]?.value === value;
    };
    const show = () => {
      for (const part of form.querySelectorAll("[data-when]")) {
        part.hidden = !part.dataset.when.split(" ").some(holds);
        if (part instanceof HTMLOptGroupElement) {
          part.disabled = part.hidden;
          if (part.hidden && part.querySelector(":checked")) part.parentElement.value = "";
        }
      }
    };
    for (const button of form.querySelectorAll("[data-shape]")) button.hidden = true;
    form.addEventListener("change", show);
    show();
  }
}

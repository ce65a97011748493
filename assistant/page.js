/* Gradio runs this once, with `element`, `trigger` and `watch`, when the conversation is on the page.
   It opens passages, puts suggested questions, and keeps the newest turn in view. */
const body = document.body;
const reader = () => document.querySelector(".reader");
let opener = null;
let turns = 0;
let following = false;

document.documentElement.lang = "zh-CN";

function show(button) {
  const passage = document.getElementById(button.dataset.passage);
  if (!passage || !reader()) return;
  const copy = passage.cloneNode(true);
  copy.removeAttribute("id");
  copy.hidden = false;
  const page = reader().querySelector(".reader-body");
  page.replaceChildren(copy);
  for (const other of element.querySelectorAll("[aria-expanded]")) other.removeAttribute("aria-expanded");
  button.setAttribute("aria-expanded", "true");
  opener = button;
  reader().classList.add("open");
  body.classList.add("reading");
  page.focus({ preventScroll: true });
  const quote = copy.querySelector("mark");
  page.scrollTop = 0;
  if (quote) {
    const below = quote.getBoundingClientRect().bottom - page.getBoundingClientRect().bottom;
    if (below > -24) page.scrollTop = below + page.clientHeight / 2;
  }
}

function hide() {
  if (!reader()?.classList.contains("open")) return;
  reader().classList.remove("open");
  body.classList.remove("reading");
  opener?.removeAttribute("aria-expanded");
  opener?.focus({ preventScroll: true });
  opener = null;
}

element.addEventListener("click", (event) => {
  const ask = event.target.closest("[data-ask]");
  if (ask && !element.querySelector(".waiting")) trigger("select", { question: ask.dataset.ask });
  const cite = event.target.closest("[data-passage]");
  if (cite) show(cite);
});

document.addEventListener("click", (event) => {
  // The dimmed page behind the sheet belongs to the body, so a tap on it arrives here.
  if (event.target.closest(".reader .close") || event.target === body) hide();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
  // Enter that ends an input method's composition picks a word; it does not send the question.
  if (event.key === "Enter" && (event.isComposing || event.keyCode === 229)) event.stopImmediatePropagation();
}, true);

watch("value", () => {
  const shown = element.querySelectorAll(".turn, .notice");
  if (shown.length === 0 || (opener && !opener.isConnected)) hide();
  const newest = shown[shown.length - 1];
  following ||= shown.length > turns;
  if (following) newest?.scrollIntoView({ block: "start" });
  following &&= newest?.classList.contains("waiting");
  turns = shown.length;
});

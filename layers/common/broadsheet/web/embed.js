"use strict";
(() => {
  const script = document.currentScript;
  const form = new URL("form", script.src);
  if (script.dataset.language) form.searchParams.set("lang", script.dataset.language);
  const frame = document.createElement("iframe");
  frame.src = form.href;
  frame.title = script.dataset.title || TITLE;
  frame.width = "100%";
  frame.height = "420";
  frame.style.border = "0";
  script.after(frame);
  addEventListener("message", ({ source, origin, data }) => {
    if (source === frame.contentWindow && origin === form.origin && data.broadsheet > 0) {
      frame.height = Math.min(Math.ceil(data.broadsheet), 2000);
    }
  });
})();

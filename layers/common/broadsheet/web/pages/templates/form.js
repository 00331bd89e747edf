"use strict";
new ResizeObserver(() => {
  parent.postMessage({ broadsheet: document.documentElement.offsetHeight }, "*");
}).observe(document.documentElement);

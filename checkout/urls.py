from django.urls import path

from checkout.views import accounts, buy, cart, goods, orders, pages, passkeys

app_name = "checkout"
urlpatterns = [
    path("", goods.catalogue, name="catalogue"),
    path("category/<slug:slug>/", goods.catalogue, name="category"),
    path("goods/<slug:slug>/", goods.product, name="product"),
    path("cart/", cart.page, name="cart"),
    path("cart/add", cart.add, name="add"),
    path("cart/change", cart.change, name="change"),
    path("cart/accept", cart.accept, name="accept"),
    path("checkout/", buy.contact, name="contact"),
    path("checkout/pay/", buy.confirm, name="confirm"),
    path("checkout/leave", buy.leave, name="leave"),
    path("order/<str:token>/", orders.page, name="order"),
    path("order/<str:token>/unlock", orders.unlock, name="unlock"),
    path("order/<str:token>/cancel", orders.cancel, name="cancel"),
    path("order/<str:token>/reorder", orders.reorder, name="reorder"),
    path("order/<str:token>/receipt/", orders.receipt, name="receipt"),
    path("order/<str:token>/receipt.pdf", orders.receipt_as_pdf, name="receipt_pdf"),
    path("orders/", orders.history, name="history"),
    path("orders/find/", orders.find, name="find"),
    path("account/sign-in/", accounts.sign_in, name="sign_in"),
    path("account/sign-out/", accounts.sign_out, name="sign_out"),
    path("account/join/", accounts.join, name="join"),
    path("account/forgotten/", accounts.forgotten, name="forgotten"),
    path("account/mailed/", accounts.mailed, name="mailed"),
    path("account/password/<str:ticket>/", accounts.password, name="password"),
    path("account/passkeys/", passkeys.page, name="passkeys"),
    path("account/passkeys/begin", passkeys.begin_adding, name="passkey_begin_adding"),
    path("account/passkeys/add", passkeys.add, name="passkey_add"),
    path("account/passkeys/<int:passkey_id>/remove", passkeys.remove, name="passkey_remove"),
    path("account/passkey/begin", passkeys.begin_sign_in, name="passkey_begin_sign_in"),
    path("account/passkey/sign-in", passkeys.sign_in, name="passkey_sign_in"),
    path("about/rules/", pages.rules, name="rules"),
    path("about/style/", pages.style, name="style"),
]

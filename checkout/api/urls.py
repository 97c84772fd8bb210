from django.urls import path, re_path

from checkout.api import carts, catalogue

CART = r"^carts/(?P<token>[A-Za-z0-9_-]{1,64})"
SKU = r"(?P<sku>[A-Za-z0-9][A-Za-z0-9._-]{0,39})"

app_name = "shop_api"
urlpatterns = [
    path("products", catalogue.Products.as_view(), name="products"),
    re_path(r"^products/(?P<slug>[-a-zA-Z0-9_]{1,80})$", catalogue.OneProduct.as_view(), name="product"),
    path("carts", carts.Carts.as_view(), name="carts"),
    re_path(f"{CART}$", carts.OneCart.as_view(), name="cart"),
    re_path(f"{CART}/lines/{SKU}$", carts.Line.as_view(), name="line"),
    re_path(f"{CART}/contact$", carts.Contact.as_view(), name="cart_contact"),
    re_path(f"{CART}/order$", carts.CartOrder.as_view(), name="cart_order"),
]
